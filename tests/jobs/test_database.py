"""A database that is locked, gone or not one is told in a sentence, and works again when it is back."""

import shutil
import sqlite3

import pytest

from app.errors import StorageFailed
from app.jobs import JobStore
from app.jobs import database as databases
from app.settings import Settings


def test_a_missing_folder_is_a_clear_error(tmp_path):
    store = JobStore(f"sqlite:///{tmp_path / 'missing' / 'neurona.db'}")
    with pytest.raises(StorageFailed, match="unable to open"):
        store.prepare()
    store.close()


@pytest.mark.parametrize("name", ["with spaces", "Müller", "what?x=1", "100%41", "a#b", "at@b:c"])
def test_a_data_folder_may_be_called_anything_and_has_its_database_in_it(tmp_path, name):
    (tmp_path / name).mkdir()
    store = JobStore(Settings(data=tmp_path / name).database)
    store.prepare()
    assert store.page() == ([], None)
    store.close()
    assert (tmp_path / name / "neurona.db").is_file()
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path):
    (tmp_path / "neurona.db").write_bytes(b"not a database" * 100)
    store = JobStore(f"sqlite:///{tmp_path / 'neurona.db'}")
    with pytest.raises(StorageFailed, match="not a database"):
        store.prepare()
    store.close()


def test_a_locked_database_is_an_error_and_then_works_again(tmp_path, monkeypatch, new_job):
    monkeypatch.setattr(databases, "_BUSY_SECONDS", 0.05)
    store = JobStore(f"sqlite:///{tmp_path / 'neurona.db'}")
    store.prepare()
    other = sqlite3.connect(tmp_path / "neurona.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked"):
        store.submit(new_job())
    other.execute("ROLLBACK")
    other.close()
    assert store.submit(new_job())[0].version == 1
    store.close()


def test_a_file_that_was_replaced_is_not_written_to_any_more(tmp_path, new_job):
    """What went there would be lost, with nobody told."""
    path, kept = tmp_path / "neurona.db", tmp_path / "kept.db"
    store = JobStore(f"sqlite:///{path}")
    store.prepare()
    store.submit(new_job())
    store.close()
    shutil.copy(path, kept)
    store.submit(new_job())
    for each in tmp_path.glob("neurona.db*"):
        each.unlink()
    with pytest.raises(StorageFailed, match="no such table"):
        store.submit(new_job())
    for each in tmp_path.glob("neurona.db*"):
        each.unlink()
    shutil.copy(kept, path)
    assert store.submit(new_job())[0].version == 2
    assert len(store.page()[0]) == 2
    store.close()


def test_commits_survive_a_power_cut_by_the_settings_that_sqlite_asks_for(tmp_path):
    engine = databases.connect(f"sqlite:///{tmp_path / 'neurona.db'}")
    with databases.reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()
