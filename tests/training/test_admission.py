"""A job begins when there is memory for it; until then it waits with the numbers, and not for ever."""

from app.settings import Settings


def test_a_job_that_fits_is_admitted(bench, trainer):
    assert not trainer._admitted()
    bench.submit(memory_bytes=10**9)
    assert trainer._admitted()


def test_a_job_that_does_not_fit_waits_and_says_how_much_is_missing(bench, trainer):
    job = bench.submit(memory_bytes=1_900_000_000)
    assert not trainer._admitted()
    assert not trainer._admitted()
    waiting = bench.store.get(job.id)
    assert waiting.state == "queued"
    assert waiting.warnings == ["waits for memory: needs about 1.9 GB, 1.0 GB free"]
    trainer.memory.free = 2 * 10**9
    assert trainer._admitted().id == job.id


def test_a_job_for_which_memory_never_comes_fails_with_the_numbers(bench, trainer):
    job = bench.submit(memory_bytes=1_900_000_000)
    trainer._admitted()
    trainer.clock.now += bench.place.settings.memory_wait_seconds - 1
    trainer._admitted()
    assert bench.store.get(job.id).state == "queued"
    trainer.clock.now += 2
    trainer._admitted()
    ended = bench.store.get(job.id)
    assert (ended.state, ended.error.code) == ("failed", "out_of_memory")
    assert "1.9 GB" in ended.error.message
    assert not trainer._admitted()


def test_the_wait_for_memory_begins_anew_after_a_job_has_been_admitted(bench, trainer):
    job = bench.submit(memory_bytes=1_900_000_000)
    trainer._admitted()
    trainer.memory.free = 2 * 10**9
    assert trainer._admitted().id == job.id
    trainer.memory.free, trainer.clock.now = 10**9, 1e6  # it ran for days and lost its worker
    assert not trainer._admitted()
    assert bench.store.get(job.id).state == "queued"


def test_a_job_is_not_given_up_for_another_that_was_cancelled_just_then(bench, trainer, monkeypatch):
    large, small = bench.submit(memory_bytes=1_900_000_000), bench.submit(memory_bytes=1)
    trainer._admitted()
    trainer.clock.now += bench.place.settings.memory_wait_seconds + 1
    real = trainer.jobs.claim

    def claim(*arguments, **fields):
        if bench.store.get(large.id).state == "queued":
            bench.store.cancel(large.id)
        return real(*arguments, **fields)

    monkeypatch.setattr(trainer.jobs, "claim", claim)
    assert not trainer._admitted()
    assert bench.store.get(small.id).state == "queued"
    assert trainer._admitted().id == small.id


def test_no_key_goes_to_a_worker_that_may_be_on_another_machine(bench, trainer):
    secret = "of-no-worker's-business"
    said = {"api_keys": f"admin:{secret}", "webhook_secret": secret, "ssl_keyfile_password": secret}
    trainer.settings = bench.place.settings.model_copy(update=said)
    sent = []

    class Client:
        def submit(self, *arguments: object, **_: object) -> object:
            sent.extend(arguments)
            return object()

    bench.submit()
    trainer._turn(Client())
    [told] = [each for each in sent if isinstance(each, Settings)]
    assert secret not in repr(told.model_dump())
    assert told.data == trainer.settings.data
