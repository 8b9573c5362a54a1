"""A job is written by one attempt at a time, and its record has no gap and no double."""

import threading
from contextlib import closing

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import JobFinished, StorageFailed, Superseded
from app.jobs import EpochRecord, Failure, JobQueue, JobStore, NewJob, Progress


def epoch(sequence: int, loss: float = 0.5) -> EpochRecord:
    return EpochRecord(
        sequence=sequence,
        candidate="relu_network",
        epoch=sequence,
        train_loss=loss,
        validation_loss=loss,
        validation_accuracy=0.9,
        learning_rate=0.001,
        seconds=sequence / 10,
    )


def test_jobs_are_claimed_in_the_order_they_came(store, queue, new_job):
    ids = [store.submit(new_job())[0].id for _ in range(3)]
    assert [queue.claim()[0].id for _ in range(3)] == ids
    assert queue.claim() is None
    assert queue.next() is None


def test_a_claimed_job_runs_under_its_first_attempt(store, queue, new_job):
    store.submit(new_job())
    assert queue.next().state == "queued"
    job, attempt = queue.claim()
    assert (job.state, attempt) == ("running", 1)
    assert job.started_at is not None


def test_epochs_are_kept_in_order_and_repeats_change_nothing(store, queue, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    queue.record(job.id, attempt, [epoch(1), epoch(2)])
    queue.record(job.id, attempt, [epoch(2, loss=9.0), epoch(3)])
    assert [each.sequence for each in store.history(job.id)] == [1, 2, 3]
    assert store.history(job.id)[1].train_loss == 0.5
    assert [each.sequence for each in store.history(job.id, after=2)] == [3]
    assert store.last_sequence(job.id) == 3


def test_a_taken_over_job_refuses_every_write_of_the_old_attempt(store, queue, new_job):
    store.submit(new_job())
    job, old = queue.claim()
    assert queue.lead("next", 5) == (True, 1)
    _, new = queue.claim()
    assert new > old
    for write in (
        lambda: queue.record(job.id, old, [epoch(1)]),
        lambda: queue.fail(job.id, old, Failure(code="x", message="y")),
        lambda: queue.ending(job.id, old).__enter__(),
        lambda: queue.release(job.id, old),
    ):
        with pytest.raises(Superseded):
            write()
    assert store.history(job.id) == []
    assert store.get(job.id).state == "running"


def test_a_cancelled_job_refuses_its_trainer(store, queue, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    store.cancel(job.id)
    with pytest.raises(Superseded):
        queue.record(job.id, attempt, [epoch(1)])
    assert store.get(job.id).state == "cancelled"


def test_a_finished_job_keeps_its_result(store, queue, new_job):
    store.submit(new_job(warnings=["w1"]))
    job, attempt = queue.claim()
    queue.record(job.id, attempt, progress=Progress(epoch=3, max_epochs=10, fraction=0.3, eta_seconds=4.0))
    with queue.ending(job.id, attempt) as end:
        end.succeed(
            hyperparameters={"l2": 0.0}, metrics={"accuracy": 1.0}, promoted=True, warnings=["w1", "w2"]
        )
    done = store.get(job.id)
    assert (done.state, done.promoted, done.metrics) == ("succeeded", True, {"accuracy": 1.0})
    assert (done.warnings, done.hyperparameters) == (["w1", "w2"], {"l2": 0.0})
    assert (done.progress.fraction, done.progress.eta_seconds, done.progress.epoch) == (1.0, 0.0, 3)
    with pytest.raises(Superseded):
        queue.fail(job.id, attempt, Failure(code="x", message="y"))


def test_an_end_that_breaks_off_leaves_the_job_running(store, queue, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    with pytest.raises(ZeroDivisionError), queue.ending(job.id, attempt) as end:  # noqa: PT012 - the end breaks off
        end.succeed(hyperparameters={}, metrics={}, promoted=True, warnings=[])
        raise ZeroDivisionError
    assert store.get(job.id).state == "running"


@pytest.mark.slow
def test_an_end_that_the_database_let_go_of_is_known_before_anything_hangs_on_it(postgres, new_job):
    """Another may have the job by then: production must not change hands for this one."""
    url, confirmed = postgres.database(), []
    with closing(JobStore(url)) as store, closing(JobQueue(url)) as queue:
        store.prepare()
        store.submit(new_job())
        job, attempt = queue.claim()
        other = sqlalchemy.create_engine(sqlalchemy.make_url(url), poolclass=sqlalchemy.NullPool)
        others = "from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
        cut = sqlalchemy.text("select pg_terminate_backend(pid) " + others)
        with pytest.raises(StorageFailed), queue.ending(job.id, attempt) as end:  # noqa: PT012 - as a trainer does
            end.confirm()
            with other.connect() as connection:
                connection.execute(cut)
            end.confirm()
            confirmed.append(job.id)
        assert confirmed == []


def test_a_job_that_is_being_ended_can_be_neither_cancelled_nor_taken_over(store, queue, url, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    refused = []

    def disturb() -> None:
        other = JobQueue(url)
        other.lead("next", 5)
        other.close()
        try:
            store.cancel(job.id)
        except JobFinished as error:
            refused.append(error)

    with queue.ending(job.id, attempt) as end:
        thread = threading.Thread(target=disturb)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        end.succeed(hyperparameters={}, metrics={}, promoted=True, warnings=[])
    thread.join()
    assert len(refused) == 1
    assert store.get(job.id).state == "succeeded"


def test_a_pause_is_seen_at_the_next_write_and_the_job_returns_to_the_queue(store, queue, new_job):
    store.submit(new_job())
    job, attempt = queue.claim()
    assert queue.record(job.id, attempt) is False
    queue.request_pause()
    assert queue.record(job.id, attempt) is True
    queue.release(job.id, attempt)
    assert store.get(job.id).state == "queued"
    _, later = queue.claim()
    assert later == attempt + 1
    assert queue.record(job.id, later) is False


def test_a_job_that_loses_its_worker_too_often_fails_with_the_reason(store, queue, new_job):
    store.submit(new_job())
    failure = Failure(code="worker_lost", message="died 3 times")
    for _ in range(2):
        job, attempt = queue.claim()
        queue.lose(job.id, attempt, most=3, failure=failure)
        assert store.get(job.id).state == "queued"
    job, attempt = queue.claim()
    queue.lose(job.id, attempt, most=3, failure=failure)
    ended = store.get(job.id)
    assert (ended.state, ended.error) == ("failed", failure)
    assert ended.finished_at is not None


def test_setbacks_are_counted_apart_from_lost_workers(store, queue, new_job):
    store.submit(new_job())
    failure = Failure(code="storage_failed", message="disk full")
    job, attempt = queue.claim()
    queue.set_back(job.id, attempt, most=2, failure=failure)
    job, attempt = queue.claim()
    queue.lose(job.id, attempt, most=2, failure=Failure(code="worker_lost", message="died"))
    job, attempt = queue.claim()
    queue.set_back(job.id, attempt, most=2, failure=failure)
    assert (store.get(job.id).state, store.get(job.id).error) == ("failed", failure)


def test_setbacks_are_counted_anew_once_the_job_has_gone_on(store, queue, new_job):
    store.submit(new_job())
    failure = Failure(code="storage_failed", message="disk full")
    job, attempt = queue.claim()
    queue.set_back(job.id, attempt, most=2, failure=failure)
    job, attempt = queue.claim()
    queue.record(job.id, attempt, [epoch(1)])
    queue.set_back(job.id, attempt, most=2, failure=failure)
    assert store.get(job.id).state == "queued"
    job, attempt = queue.claim()
    queue.record(job.id, attempt, [epoch(1)])  # which it had before: nothing new
    queue.set_back(job.id, attempt, most=2, failure=failure)
    assert store.get(job.id).state == "failed"


def test_a_loss_reported_for_an_old_attempt_changes_nothing(store, queue, new_job):
    store.submit(new_job())
    job, old = queue.claim()
    queue.lead("next", 5)
    queue.claim()
    queue.lose(job.id, old, most=1, failure=Failure(code="x", message="y"))
    assert store.get(job.id).state == "running"


def test_one_owner_holds_the_lease_until_it_expires(queue, clock):
    assert queue.hold_lease("trainer", "a", 5)
    assert not queue.hold_lease("trainer", "b", 5)
    clock.forward(3)
    assert queue.hold_lease("trainer", "a", 5)
    clock.forward(4)
    assert not queue.hold_lease("trainer", "b", 5)
    clock.forward(2)
    assert queue.hold_lease("trainer", "b", 5)
    assert not queue.hold_lease("trainer", "a", 5)


def test_who_takes_the_lead_takes_over_what_runs_and_whoever_had_it_is_superseded(
    store, queue, clock, new_job
):
    store.submit(new_job())
    assert queue.lead("a", 5) == (True, 0)
    job, attempt = queue.claim("a")
    assert queue.lead("a", 5) == (False, 0)
    assert queue.lead("b", 5) is None
    clock.forward(6)
    assert queue.lead("b", 5) == (True, 1)
    assert queue.lead("a", 5) is None
    with pytest.raises(Superseded):
        queue.record(job.id, attempt, [epoch(1)])
    assert queue.claim("b")[1] > attempt


def test_a_trainer_that_slept_while_another_came_and_went_takes_over_anew(store, queue, clock, new_job):
    """Else the jobs of the one that went would be running for ever."""
    store.submit(new_job())
    assert queue.lead("a", 5).fresh
    clock.forward(6)
    assert queue.lead("b", 5).fresh
    queue.claim("b")
    clock.forward(6)
    assert queue.lead("a", 5) == (True, 1)
    assert queue.next() is not None


def test_a_lease_that_expired_unseen_by_others_is_kept(queue, clock):
    assert queue.lead("a", 5).fresh
    clock.forward(60)
    assert queue.lead("a", 5) == (False, 0)


def test_a_clock_that_was_set_back_does_not_make_a_lease_last_longer_than_it_does(url, queue, clock):
    seconds = [0.0]  # of a clock that nobody sets
    waiting = JobQueue(url, now=clock, clock=lambda: seconds[0])
    assert queue.lead("a", 5).fresh
    assert waiting.lead("b", 5) is None
    clock.forward(-60)
    seconds[0] = 4.0
    assert queue.lead("a", 5) == (False, 0)  # it lives
    seconds[0] = 8.0
    assert waiting.lead("b", 5) is None
    clock.forward(-3600)
    seconds[0] = 12.0
    assert waiting.lead("b", 5) is None
    seconds[0] = 13.5
    assert waiting.lead("b", 5) == (True, 0)
    waiting.close()


def test_a_trainer_that_has_been_followed_claims_nothing(store, queue, clock, new_job):
    """It may have looked at its lease just before it fell asleep."""
    store.submit(new_job())
    queue.lead("a", 5)
    clock.forward(6)
    queue.lead("b", 5)
    assert queue.claim("a") is None
    assert queue.claim("b") is not None


def test_the_next_trainer_need_not_wait_for_one_that_resigned(queue):
    queue.lead("a", 5)
    queue.resign("b")
    assert queue.lead("b", 5) is None
    queue.resign("a")
    assert queue.lead("b", 5) == (True, 0)


def test_the_ended_of_some_jobs_are_known(store, queue, new_job):
    ids = [store.submit(new_job())[0].id for _ in range(3)]
    store.cancel(ids[1])
    assert queue.ended([*ids, "job_unknown"]) == {ids[1]}
    assert queue.ended([]) == set()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(st.sampled_from(["claim", "record", "lose", "pause", "takeover", "cancel"]), max_size=25)
)
def test_whatever_happens_history_is_whole_and_final_states_stay(moves, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('jobs') / 'neurona.db'}"
    store, queue = JobStore(url), JobQueue(url)
    store.prepare()
    job_id = store.submit(NewJob(model="m", dataset="d"))[0].id
    attempt, final = 0, None
    for move in moves:
        if move == "claim" and (claimed := queue.claim()):
            assert claimed[1] > attempt
            attempt = claimed[1]
        elif move == "takeover":
            queue.lead("next", 5)
            queue.resign("next")
        elif move == "cancel" and final is None:
            final = store.cancel(job_id).state
        elif move == "lose":
            queue.lose(job_id, attempt, most=99, failure=Failure(code="x", message="y"))
        elif move in ("record", "pause"):
            try:
                queue.record(job_id, attempt, [epoch(store.last_sequence(job_id) + 1)])
                assert store.get(job_id).state == "running"
                if move == "pause":
                    queue.release(job_id, attempt)
            except Superseded:
                assert store.get(job_id).state != "running" or store.get(job_id).attempt != attempt
        assert final is None or store.get(job_id).state == final
    sequences = [each.sequence for each in store.history(job_id)]
    assert sequences == list(range(1, len(sequences) + 1))
    store.close()
    queue.close()


def test_a_warning_is_added_once_to_a_job_that_waits(store, queue, new_job):
    job, _ = store.submit(new_job(warnings=["a"]))
    queue.warn(job.id, "waits")
    queue.warn(job.id, "waits")
    assert store.get(job.id).warnings == ["a", "waits"]


HOOK = {"url": "https://example.com/hook", "secret": "s" * 8}


@pytest.mark.parametrize("end", ["cancel", "fail", "succeed", "lose"])
def test_a_webhook_falls_due_with_whatever_end_the_job_has(store, queue, clock, new_job, end):
    job, _ = store.submit(new_job(webhook=HOOK))
    store.submit(new_job())
    assert queue.due_webhooks(clock().timestamp()) == []
    _, attempt = queue.claim()
    queue.claim()
    failure = Failure(code="x", message="y")
    if end == "cancel":
        store.cancel(job.id)
    elif end == "fail":
        queue.fail(job.id, attempt, failure)
    elif end == "lose":
        queue.lose(job.id, attempt, most=1, failure=failure)
    else:
        with queue.ending(job.id, attempt) as ending:
            ending.succeed(hyperparameters={}, metrics={}, promoted=True, warnings=[])
    queue.lead("next", 5)
    due = queue.due_webhooks(clock().timestamp())
    assert [each.id for each in due] == [job.id]
    assert due[0].webhook.secret == "ssssssss"
    queue.settle_webhook(job.id, tries=1, due=clock().timestamp() + 60)
    assert queue.due_webhooks(clock().timestamp()) == []
    assert queue.due_webhooks(clock().timestamp() + 61)[0].webhook_tries == 1
    queue.settle_webhook(job.id, tries=2, due=None)
    assert queue.due_webhooks(clock().timestamp() + 1e6) == []


def test_a_webhooks_secret_is_never_shown(store, new_job):
    job, _ = store.submit(new_job(webhook=HOOK))
    assert "ssssssss" not in store.get(job.id).model_dump_json()
    assert store.get(job.id).webhook.url == HOOK["url"]
