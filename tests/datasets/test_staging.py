"""Half-built datasets are swept once nobody works on them, and not before."""

import os
import subprocess
import sys
import time

import pytest

from app.datasets import staging


def test_what_is_being_built_is_not_swept(store, root):
    def slow():
        yield b"a,y\n1,0\n2,1\n"
        assert len(list(root.iterdir())) == 1
        assert store.sweep() == 0
        yield b"3,0\n4,1\n"

    assert store.ingest(slow(), media_type="text/csv")[0].rows == 4


def test_what_a_killed_process_left_is_swept(store, root):
    code = (
        "import sys, os; from pathlib import Path; from app.datasets.store import DatasetStore\n"
        "def source():\n"
        "    yield b'a,y\\n1,2\\n'\n"
        "    os.kill(os.getpid(), 9)\n"
        "DatasetStore(Path(sys.argv[1])).ingest(source(), media_type='text/csv')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(root)], check=False).returncode == -9
    assert len(list(root.iterdir())) == 1
    assert store.sweep() == 1
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(("age", "swept"), [(0, 0), (3600, 1)])
def test_a_folder_without_a_lock_is_swept_once_it_is_old(root, age, swept):
    folder = root / ".staging-0123456789abcdef"
    folder.mkdir(parents=True)
    os.utime(folder, (time.time() - age,) * 2)
    assert staging.sweep(root) == swept


def test_the_rest_of_a_deleted_dataset_is_swept_and_datasets_stay(store, root):
    dataset, _ = store.ingest([b"a,y\n1,0\n2,1\n3,0\n4,1\n"], media_type="text/csv")
    (root / ".removed-0123456789abcdef").mkdir()
    (root / "notes.txt").write_text("not ours")
    assert store.sweep() == 1
    assert {path.name for path in root.iterdir()} == {dataset.id, "notes.txt"}
