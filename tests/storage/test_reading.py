"""Claims about opening files of a folder that a stranger may have written."""

import errno
import os
from pathlib import Path

import pytest

from app.storage.reading import is_regular_below, open_below, read_below


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "file").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "root"


def test_a_plain_file_is_read_whole(root):
    assert read_below(root, "a", "file", limit=7) == b"content"
    assert is_regular_below(root, "a", "file")


def test_a_root_that_is_a_link_is_followed_since_the_operator_named_it(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert read_below(tmp_path / "link", "a", "file", limit=7) == b"content"


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(root):
    with pytest.raises(OSError, match="too large") as caught:
        read_below(root, "a", "file", limit=6)
    assert caught.value.errno == errno.EFBIG


@pytest.mark.parametrize(
    "parts", [("..", "secret"), ("../secret",), ("",), (".",), ("a", "..", "a", "file"), ("a\0", "file"), ()]
)
def test_parts_that_are_not_plain_names_are_refused(root, parts):
    with pytest.raises(OSError, match="Invalid") as caught:
        open_below(root, *parts)
    assert caught.value.errno == errno.EINVAL


def test_no_link_is_followed_neither_to_a_file_nor_to_a_folder(root, tmp_path):
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(root / "a")
    for parts in (("file",), ("folder", "file")):
        assert not is_regular_below(root, *parts)
        with pytest.raises(OSError, match=r"symbolic|directory"):
            open_below(root, *parts)


def test_a_pipe_is_refused_without_waiting_for_a_writer(root):
    os.mkfifo(root / "pipe")
    assert not is_regular_below(root, "pipe")
    assert not is_regular_below(root, "a")


def test_refusals_leak_no_file_handles(root, tmp_path):
    (root / "file").symlink_to(tmp_path / "secret")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        is_regular_below(root, "file")
        is_regular_below(root, "a", "missing")
        is_regular_below(root, "a")
        is_regular_below(root, "a", "file")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
