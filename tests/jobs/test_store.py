"""Jobs are accepted once, numbered once, listed newest first, and cancelled until they end."""

import threading
from datetime import timedelta

import pytest

from app.errors import (
    Busy,
    DatasetInUse,
    DatasetNotFound,
    JobFinished,
    JobNotFound,
    KeyReused,
    VersionInUse,
)
from app.jobs.records import Progress


def test_a_submitted_job_is_queued_with_the_next_version_number(store, new_job):
    first, created = store.submit(new_job())
    second, _ = store.submit(new_job())
    other, _ = store.submit(new_job(model="digits"))
    assert created
    assert (first.state, first.version, second.version, other.version) == ("queued", 1, 2, 1)
    assert first.created_at == "2026-01-01T00:00:00.000Z"


def test_versions_begin_above_the_floor_that_the_repository_gives(store, new_job):
    assert store.submit(new_job(), version_floor=7)[0].version == 8
    assert store.submit(new_job(), version_floor=3)[0].version == 9


def test_two_stores_on_one_database_never_give_a_version_twice(store, url, new_job):
    versions: list[int] = []

    def submit() -> None:
        from app.jobs import JobStore

        other = JobStore(url)
        versions.extend(other.submit(new_job())[0].version for _ in range(10))
        other.close()

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 41))


def test_the_same_key_and_request_give_the_same_job(store, new_job):
    job, _ = store.submit(new_job(), key="k", fingerprint="a")
    again, created = store.submit(new_job(), key="k", fingerprint="a")
    assert (again.id, created) == (job.id, False)
    assert store.recall("k", "a").id == job.id


def test_the_same_key_with_another_request_is_refused(store, new_job):
    job, _ = store.submit(new_job(), key="k", fingerprint="a")
    with pytest.raises(KeyReused, match=job.id):
        store.submit(new_job(), key="k", fingerprint="b")
    with pytest.raises(KeyReused):
        store.recall("k", "b")


def test_a_key_is_forgotten_after_its_lifetime(store, clock, new_job):
    job, _ = store.submit(new_job(), key="k", fingerprint="a")
    clock.forward(24 * 3600 + 1)
    later, created = store.submit(new_job(), key="k", fingerprint="b")
    assert created
    assert later.id != job.id


def test_a_key_is_not_recalled_after_its_lifetime_whatever_it_came_with(store, clock, new_job):
    job, _ = store.submit(new_job(), key="k", fingerprint="a")
    clock.forward(3600)
    assert store.recall("k", "a").id == job.id
    assert store.recall("k", "b", timedelta(minutes=59)) is None
    clock.forward(23 * 3600 + 1)
    assert store.recall("k", "a") is None


def test_concurrent_requests_with_one_key_make_one_job(store, url, new_job):
    from app.jobs import JobStore

    made: list[tuple[str, bool]] = []
    barrier = threading.Barrier(6)

    def submit() -> None:
        other = JobStore(url)
        barrier.wait()
        job, created = other.submit(new_job(), key="k", fingerprint="a")
        made.append((job.id, created))
        other.close()

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job for job, _ in made}) == 1
    assert sum(created for _, created in made) == 1


def test_a_full_queue_refuses_with_a_time_to_come_back(store, new_job):
    store.submit(new_job(), max_queued=1)
    with pytest.raises(Busy) as refused:
        store.submit(new_job(), max_queued=1)
    assert refused.value.retry_after > 0
    assert store.submit(new_job())[0].version == 2


def test_pages_run_from_the_newest_to_the_oldest_without_gap_or_double(store, new_job):
    made = [store.submit(new_job())[0].id for _ in range(7)]
    seen, before = [], None
    while True:
        page, before = store.page(limit=3, before=before)
        seen += [job.id for job in page]
        if before is None:
            break
    assert seen == made[::-1]


def test_pages_are_filtered_by_model_and_state(store, queue, new_job):
    store.submit(new_job())
    mine, _ = store.submit(new_job(model="digits"))
    queue.claim()
    assert [job.id for job in store.page(model="digits")[0]] == [mine.id]
    assert [job.id for job in store.page(state="queued")[0]] == [mine.id]


def test_a_queued_job_is_cancelled_at_once_and_only_once(store, queue, new_job):
    job, _ = store.submit(new_job())
    assert store.cancel(job.id).state == "cancelled"
    assert store.get(job.id).finished_at is not None
    with pytest.raises(JobFinished, match="cancelled"):
        store.cancel(job.id)
    assert queue.claim() is None


def test_an_unknown_job_is_not_found(store):
    for ask in (store.get, store.cancel, store.history):
        with pytest.raises(JobNotFound, match="job_x"):
            ask("job_x")


def test_what_an_unfinished_job_needs_cannot_be_deleted_until_it_ends(store, new_job):
    job, _ = store.submit(new_job(warm_start="iris@3"))
    with pytest.raises(DatasetInUse, match=job.id), store.dataset_unneeded(job.dataset):
        pytest.fail("it is needed")
    with pytest.raises(VersionInUse, match=job.id), store.version_unneeded("iris", [1, 3]):
        pytest.fail("it is needed")
    with store.version_unneeded("iris", [1, 2, 30]):
        pass
    store.cancel(job.id)
    with store.dataset_unneeded(job.dataset), pytest.raises(NotImplementedError):
        raise NotImplementedError  # what is done inside may fail, and then the next is not held up
    with store.version_unneeded("iris", [3]):
        pass


def test_no_job_is_accepted_while_what_it_needs_is_being_deleted(store, new_job):
    here, accepted = [True], []

    def check() -> None:
        if not here[0]:
            raise DatasetNotFound(id="ds_0123456789abcdef")

    def submit() -> None:
        try:
            accepted.append(store.submit(new_job(), check=check))
        except DatasetNotFound as error:
            accepted.append(error)

    with store.dataset_unneeded("ds_0123456789abcdef"):
        thread = threading.Thread(target=submit)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        here[0] = False
    thread.join()
    assert [type(each) for each in accepted] == [DatasetNotFound]
    assert store.page() == ([], None)


def test_a_verification_has_the_version_it_is_about_and_reserves_no_number(store, queue, new_job):
    made, _ = store.submit(new_job())
    checks = [store.submit(new_job(kind="verify", verifies=1), version_floor=5)[0] for _ in range(3)]
    assert [(each.kind, each.version) for each in (made, *checks)] == [("train", 1)] + [("verify", 1)] * 3
    other, _ = store.submit(new_job(model="shipped", kind="verify", verifies=4))
    assert other.version == 4
    assert store.submit(new_job(model="shipped"))[0].version == 1
    assert store.submit(new_job())[0].version == 2
    assert [queue.claim()[0].kind for _ in range(7)] == ["train", *["verify"] * 4, "train", "train"]
    assert {each.version for each in store.page(kind="verify", model="iris")[0]} == {1}
    assert [each.id for each in store.page(kind="train")[0]][-1] == made.id


def test_a_version_that_a_verification_is_about_is_needed_until_that_has_ended(store, new_job):
    check, _ = store.submit(new_job(kind="verify", verifies=3, warm_start="iris@2"))
    for version in (3, 2):
        with pytest.raises(VersionInUse, match=check.id), store.version_unneeded("iris", [version]):
            pass
    for name, version in (("iris", 1), ("digits", 3)):
        with store.version_unneeded(name, [version]):
            pass
    store.cancel(check.id)
    with store.version_unneeded("iris", [2, 3]):
        pass


def test_what_no_row_can_hold_finds_nothing_or_all(store, new_job):
    store.submit(new_job())
    assert store.page(model="iris\0") == ([], None)
    assert len(store.page(before=10**18 - 1)[0]) == 1


def test_a_job_whose_id_no_job_can_have_is_not_there(store):
    with pytest.raises(JobNotFound):
        store.get("job_\0")


def test_a_job_that_ended_early_has_no_time_to_go(store, queue, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    queue.record(job.id, attempt, progress=Progress(epoch=3, max_epochs=9, fraction=0.3, eta_seconds=40.0))
    assert store.get(job.id).progress.eta_seconds == 40.0
    ended = store.cancel(job.id).progress
    assert (ended.epoch, ended.fraction, ended.eta_seconds) == (3, 0.3, None)
