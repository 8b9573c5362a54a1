"""The database has this release's shape, however it came about."""

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.errors import StorageFailed
from app.jobs import JobQueue, JobStore
from app.jobs import schema as schemas
from app.jobs.database import connect, reading, writing
from app.jobs.tables import metadata

RELEASE = Path(__file__).parent / "release_0_1_0"


@pytest.fixture
def old(tmp_path) -> str:
    """The URL of a database that release 0.1 left behind: a job running, one queued, others ended."""
    path = tmp_path / "neurona.db"
    database = sqlite3.connect(path)
    database.executescript((RELEASE / "neurona.sql").read_text())
    database.close()
    return f"sqlite:///{path}"


def differences(url: str) -> list[object]:
    engine = connect(url)
    with reading(engine) as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return found


def test_a_new_database_has_the_tables_that_the_code_speaks_of(store, url):
    assert differences(url) == []


def test_a_database_of_the_first_release_is_brought_to_this_ones_shape(old):
    store = JobStore(old)
    store.prepare()
    store.prepare()
    store.close()
    assert differences(old) == []


def test_nothing_is_lost_in_the_upgrade_and_unfinished_jobs_go_on(old, new_job):
    before = sqlite3.connect(old.removeprefix("sqlite:///"))
    ids = [row[0] for row in before.execute("select id from jobs order by number desc")]
    epochs = dict(before.execute("select job, count(*) from epochs group by job"))
    before.close()
    store, queue = JobStore(old), JobQueue(old)
    store.prepare()
    jobs = store.page()[0]
    assert [job.id for job in jobs] == ids
    assert [job.state for job in jobs] == ["queued", "running", "succeeded", "cancelled", "succeeded"]
    for job in jobs:
        assert len(store.history(job.id)) == epochs.get(job.id, 0)
    assert jobs[-1].metrics["validation_rows"] == 15
    queue.lead("next", 5)
    assert [queue.claim()[0].version for _ in range(2)] == [4, 5]
    assert store.submit(new_job())[0].version == 6
    store.close()
    queue.close()


def test_many_processes_may_start_at_once(url):
    failures = []

    def start() -> None:
        store = JobStore(url)
        try:
            store.prepare()
        except Exception as error:
            failures.append(error)
        store.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert differences(url) == []


def test_many_may_open_a_new_file_at_once(tmp_path):
    """Of those who turn on the write-ahead log together SQLite lets one, and refuses the others without waiting."""
    failures = []

    def open_it(url: str, together: threading.Barrier) -> None:
        engine = connect(url)
        together.wait()
        try:
            with reading(engine):
                pass
        except StorageFailed as error:
            failures.append(error)
        engine.dispose()

    for each in range(40):
        arguments = f"sqlite:///{tmp_path}/{each}.db", threading.Barrier(8)
        threads = [threading.Thread(target=open_it, args=arguments) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_database_of_a_later_release_is_refused_and_left_alone(store, url, new_job):
    engine = connect(url)
    with writing(engine) as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(StorageFailed, match="later release"):
        store.prepare()
    started = JobStore(url)
    with pytest.raises(StorageFailed, match="later release"):
        started.submit(new_job())  # which nobody would train
    started.close()
    with reading(engine) as connection:
        assert connection.exec_driver_sql("select version_num from alembic_version").scalar() == "9999"
        assert connection.exec_driver_sql("select count(*) from jobs").scalar() == 0
    engine.dispose()


def test_the_newest_step_is_the_one_that_the_code_expects():
    steps = sorted(
        path.stem[:4] for path in (Path(schemas.__file__).parent / "migrations" / "versions").glob("0*.py")
    )
    assert steps[-1] == schemas.HEAD
