"""Claims about folders that a stranger wrote: clear refusals, no crash, nothing outside is touched."""

import json
import os
import struct
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import AliasesBroken, ModelBroken, NeuronaError, StorageFailed, VersionNotFound


@pytest.fixture
def home(repository, make_model, root):
    """The folder of a model with one good version, production."""
    repository.publish(make_model())
    repository.set_alias("iris", "production", 1)
    return root / "iris"


def edit_card(home, **fields):
    path = home / "1" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_card_of_a_newer_format_is_refused_saying_so(repository, home):
    edit_card(home, format=2)
    with pytest.raises(ModelBroken, match=r"Version 1 of model 'iris' .* format 2, newer than the 1"):
        repository.load("iris", 1)


@pytest.mark.parametrize("text", [b"", b"\x80\x04\x95pickle", b"[" * 10_000, b'{"format": 1}', b"null"])
def test_a_card_that_is_none_is_refused(repository, home, text):
    (home / "1" / "model.json").write_bytes(text)
    with pytest.raises(ModelBroken):
        repository.load("iris", 1)


def test_huge_sizes_with_a_sparse_file_as_long_as_they_say_are_refused_by_the_limit(repository, home):
    edit_card(home, sizes=[6, 10**10, 3])
    with (home / "1" / "model.safetensors").open("r+b") as file:
        file.truncate(10**11 * 4)
    with pytest.raises(ModelBroken, match="max_parameters"):
        repository.load("iris", 1)


def test_a_sparse_card_of_a_terabyte_is_not_read(repository, home):
    os.truncate(home / "1" / "model.json", 10**12)
    with pytest.raises(ModelBroken, match="larger than can be"):
        repository.card("iris", 1)


def test_a_header_that_claims_more_than_the_file_is_refused(repository, home):
    (home / "1" / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with pytest.raises(ModelBroken, match="longer than can be"):
        repository.load("iris", 1)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "missing"])
def test_a_version_whose_files_are_not_plain_does_not_exist(repository, home, tmp_path, file, kind):
    path = home / "1" / file
    path.rename(tmp_path / "elsewhere")
    {
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "missing": lambda: None,
    }[kind]()
    assert repository.versions("iris") == []
    assert repository.names() == []
    for read in (repository.load, repository.card, repository.weights):
        with pytest.raises(NeuronaError):
            read("iris", 1)


def test_links_in_the_place_of_versions_and_models_are_not_followed(repository, home, root, make_model):
    (home / "2").symlink_to(home / "1")
    (root / "linked").symlink_to(home)
    assert repository.versions("iris") == [1]
    assert repository.names() == ["iris"]
    assert repository.versions("linked") == []
    with pytest.raises(NeuronaError):
        repository.load("linked", 1)
    with pytest.raises(StorageFailed, match="link"):
        repository.publish(make_model(2, name="linked"))
    with pytest.raises(NeuronaError):
        repository.set_alias("linked", "production", 1)
    assert sorted(entry.name for entry in home.iterdir()) == [".lock", "1", "2", "aliases.json"]


def test_folders_with_names_that_are_no_names_are_passed_over(repository, home, root):
    for name in ("..x", "Upper", "-dash", "a" * 65, ".hidden", "ñ", "a b"):
        (root / name / "1").mkdir(parents=True)
    for name in ("0", "01", "-1", "1.0", "x", "٣", "9" * 30):
        (home / name).mkdir()
    (root / "file").write_bytes(b"")
    assert repository.names() == ["iris"]
    assert repository.versions("iris") == [1]
    assert repository.last_version("iris") == 1


@pytest.mark.parametrize("text", [b"", b"[]", b"[" * 10_000, b'{"format": 9, "aliases": {}}'])
def test_broken_aliases_are_refused_and_versions_can_still_be_loaded(repository, home, text):
    (home / "aliases.json").write_bytes(text)
    with pytest.raises(AliasesBroken, match="The aliases of model 'iris' cannot be read: "):
        repository.resolve("iris")
    with pytest.raises(AliasesBroken):
        repository.set_alias("iris", "production", 1)
    assert (home / "aliases.json").read_bytes() == text
    assert repository.names() == ["iris"]
    assert repository.load(*repository.resolve("iris@1")).version == 1


def test_aliases_behind_a_link_are_not_read(repository, home, tmp_path):
    (home / "aliases.json").rename(tmp_path / "aliases.json")
    (home / "aliases.json").symlink_to(tmp_path / "aliases.json")
    with pytest.raises(AliasesBroken, match="not a plain file"):
        repository.aliases("iris")


def test_an_alias_to_a_version_that_is_not_there_says_so(repository, home):
    (home / "aliases.json").write_text('{"format": 1, "aliases": {"production": 8}}')
    with pytest.raises(VersionNotFound, match="no version 8"):
        repository.resolve("iris")


def test_a_lock_that_is_a_link_is_not_followed(repository, home, tmp_path):
    (home / ".lock").unlink()
    (home / ".lock").symlink_to(tmp_path / "created")
    with pytest.raises(StorageFailed):
        repository.delete_alias("iris", "production")
    assert not (tmp_path / "created").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(["model.json", "model.safetensors"]), st.integers(0, 10**6), st.binary(max_size=3))
def test_any_bytes_changed_anywhere_are_loaded_or_refused_as_broken(
    repository, make_model, file, place, data
):
    repository.publish(make_model())
    [path] = repository.weights("iris", 1).parent.glob(file)
    good = path.read_bytes()
    at = place % len(good)
    try:
        path.write_bytes(good[:at] + data + good[at + 1 :])
        with suppress(ModelBroken):
            assert repository.load("iris", 1).sizes == (6, 5, 3)
    finally:
        path.write_bytes(good)
