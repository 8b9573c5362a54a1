"""Claims about the models that are loaded: quick, fresh, bounded, and never worse for a broken version."""

import gc
import multiprocessing
import os
import threading
import time
import tracemalloc
import weakref
from concurrent.futures import Executor, Future

import pytest

from app.errors import (
    AliasNotFound,
    Invalid,
    ModelBroken,
    ModelNotFound,
    StorageFailed,
    VersionNotFound,
)
from app.repository.cache import ModelCache
from app.repository.repository import Repository


class Later(Executor):
    """Runs what was submitted when told to."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self):
        while self.waiting:
            self.waiting.pop(0)()


class Ticks:
    """A clock to turn by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def later():
    return Later()


@pytest.fixture
def published(repository, make_model):
    """A repository with versions 1 to 3 of iris, the first of them production."""
    for version in (1, 2, 3):
        repository.publish(make_model(version))
    repository.set_alias("iris", "production", 1)
    return repository


@pytest.fixture
def cache(published, ticks, later):
    return ModelCache(published, 1 << 30, clock=ticks, executor=later)


def break_weights(repository, version):
    repository.weights("iris", version).write_bytes(b"broken")


def test_a_reference_held_is_answered_without_looking_at_the_disk(cache, root):
    model = cache.get("iris")
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert cache.get("iris") is model


def test_a_reference_that_nobody_asks_for_is_followed_too(cache, published, ticks, later):
    cache.get("iris")
    published.set_alias("iris", "production", 2)
    cache.follow()
    later.run()
    ticks.now += 3600
    assert cache.get("iris").version == 2
    cache.follow()
    assert later.waiting == []


def test_references_to_one_version_share_one_model(cache):
    assert cache.get("iris") is cache.get("iris@1") is cache.get("iris@production")
    assert list(cache.loaded()) == [("iris", 1)]


def test_what_is_not_there_is_told_as_the_repository_tells_it(cache):
    for ref, error in {
        "nobody": ModelNotFound,
        "iris@9": VersionNotFound,
        "iris@x": AliasNotFound,
        "A": Invalid,
    }.items():
        with pytest.raises(error):
            cache.get(ref)
    assert cache.failures() == {}


def test_a_moved_alias_is_followed_after_the_refresh_time_with_the_old_version_serving_meanwhile(
    cache, published, ticks, later
):
    assert cache.get("iris").version == 1
    published.set_alias("iris", "production", 2)
    ticks.now = 0.49
    assert cache.get("iris").version == 1
    assert later.waiting == []
    ticks.now = 0.51
    assert [cache.get("iris").version for _ in range(3)] == [1, 1, 1]
    assert len(later.waiting) == 1
    later.run()
    assert cache.get("iris").version == 2


def test_a_new_version_is_warmed_before_the_first_caller_gets_it(published, ticks, later):
    warmed = []
    cache = ModelCache(
        published, 1 << 30, clock=ticks, executor=later, warm=lambda m: warmed.append(m.version)
    )
    cache.get("iris")
    published.set_alias("iris", "production", 2)
    ticks.now = 1
    cache.get("iris")
    assert warmed == [1]
    later.run()
    assert warmed == [1, 2]
    assert cache.get("iris").version == 2


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving_and_is_remembered(
    cache, published, ticks, later
):
    cache.get("iris")
    break_weights(published, 2)
    published.set_alias("iris", "production", 2)
    ticks.now = 1
    cache.get("iris")
    later.run()
    assert cache.get("iris").version == 1
    assert list(cache.failures()) == ["iris"]
    assert "Version 2 of model 'iris' cannot be loaded" in cache.failures()["iris"]
    published.set_alias("iris", "production", 1)
    ticks.now = 2
    assert cache.get("iris").version == 1
    assert cache.failures() == {}


def test_a_broken_version_is_tried_again_only_after_a_while_and_serves_once_mended(cache, published, ticks):
    path = published.weights("iris", 2)
    good = path.read_bytes()
    break_weights(published, 2)
    published.set_alias("iris", "production", 2)
    with pytest.raises(ModelBroken):
        cache.get("iris")
    path.write_bytes(good)
    ticks.now = 1.9
    with pytest.raises(ModelBroken):
        cache.get("iris")
    ticks.now = 2.1
    assert cache.get("iris").version == 2
    assert cache.failures() == {}


def test_a_warming_that_refuses_a_model_counts_as_a_failed_load(published, ticks, later):
    def warm(model):
        if model.version == 2:
            raise ZeroDivisionError

    cache = ModelCache(published, 1 << 30, clock=ticks, executor=later, warm=warm)
    cache.get("iris")
    published.set_alias("iris", "production", 2)
    ticks.now = 1
    cache.get("iris")
    later.run()
    assert cache.get("iris").version == 1
    assert cache.failures() == {"iris": "Loading failed: ZeroDivisionError."}


def test_a_deleted_alias_or_version_is_noticed(cache, published, ticks):
    assert cache.get("iris@2").version == 2
    assert cache.get("iris").version == 1
    published.delete_version("iris", 2)
    published.delete_alias("iris", "production")
    ticks.now = 1
    with pytest.raises(VersionNotFound):
        cache.get("iris@2")
    with pytest.raises(AliasNotFound):
        cache.get("iris")
    assert cache.peek("iris") is None


def test_aliases_that_are_put_back_with_their_time_are_followed(cache, published, root, ticks, later):
    """As a restored copy has them, or one that keeps up with another folder."""
    file, refs = root / "iris" / "aliases.json", ("iris", "iris@production")
    text, moment = file.read_bytes(), file.stat().st_mtime_ns
    published.set_alias("iris", "production", 2)
    assert [cache.get(ref).version for ref in refs] == [2, 2]
    file.unlink()
    file.write_bytes(text)
    os.utime(file, ns=(moment, moment))
    ticks.now = 1
    assert cache.get("iris").version == 2
    later.run()
    assert cache.get("iris").version == 1
    cache.refresh("iris")
    assert cache.get("iris@production").version == 1


def test_a_disk_that_fails_for_a_while_changes_nothing_for_what_is_held(cache, ticks, monkeypatch):
    model = cache.get("iris")

    def stamp(_):
        raise StorageFailed(what="look", reason="Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(cache._catalogue, "stamp", stamp)
        ticks.now = 1
        assert cache.get("iris") is model
        assert "Input/output error" in cache.failures()["iris"]
    ticks.now = 2
    assert cache.get("iris") is model
    assert cache.failures() == {}


def test_broken_aliases_change_nothing_for_what_is_held(cache, root, ticks):
    model = cache.get("iris")
    (root / "iris" / "aliases.json").write_text("{")
    ticks.now = 1
    assert cache.get("iris") is model
    assert "aliases of model 'iris' cannot be read" in cache.failures()["iris"]


def test_refreshing_a_model_follows_its_aliases_at_once(cache, published):
    cache.get("iris")
    cache.get("iris@production")
    cache.preload("iris", 2)
    published.set_alias("iris", "production", 2)
    cache.refresh("iris")
    assert [cache.get(ref).version for ref in ("iris", "iris@production")] == [2, 2]


def test_peeking_never_loads(cache):
    assert cache.peek("iris") is None
    model = cache.get("iris")
    assert cache.peek("iris") is model


def test_before_the_first_sweep_nothing_is_ready_and_an_empty_repository_is_after_it(tmp_path):
    cache = ModelCache(Repository(tmp_path), 1)
    assert cache.not_ready()
    cache.sweep()
    assert not cache.not_ready()
    assert cache.not_ready() == {}


def test_ready_means_that_every_production_alias_found_has_a_loaded_model(cache, published, make_model):
    published.publish(make_model(1, name="digits"))
    cache.sweep()
    assert not cache.not_ready()
    assert list(cache.loaded()) == [("iris", 1)]
    published.set_alias("digits", "production", 1)
    published.weights("digits", 1).write_bytes(b"broken")
    cache.sweep()
    assert list(cache.not_ready()) == ["digits"]
    assert "'digits' cannot be loaded" in cache.not_ready()["digits"]
    published.delete_alias("digits", "production")
    cache.sweep()
    assert not cache.not_ready()


def test_a_broken_new_production_leaves_a_served_model_ready(cache, published):
    cache.sweep()
    break_weights(published, 2)
    published.set_alias("iris", "production", 2)
    cache.sweep()
    assert not cache.not_ready()
    assert cache.get("iris").version == 1
    assert list(cache.failures()) == ["iris"]


def test_the_sweep_follows_aliases_without_any_request_and_does_not_reload_what_was_dropped(
    published, make_model, ticks
):
    loads = []
    published.publish(make_model(1, name="digits"))
    published.set_alias("digits", "production", 1)
    cache = ModelCache(published, 1, clock=ticks, warm=lambda m: loads.append((m.name, m.version)))
    for _ in range(3):
        cache.sweep()
    assert loads == [("digits", 1), ("iris", 1)]
    assert not cache.not_ready()
    published.set_alias("iris", "production", 2)
    cache.sweep()
    assert loads[2:] == [("iris", 2)]


def test_a_closed_cache_goes_on_serving_what_it_holds_and_follows_if_it_is_asked_again(
    published, ticks, later
):
    cache = ModelCache(published, 1 << 30, clock=ticks, executor=later)
    cache.get("iris")
    published.set_alias("iris", "production", 2)
    ticks.now = 1
    assert cache.get("iris").version == 1  # and a load of the other has been put off
    cache.close()
    ticks.now = 2
    assert cache.get("iris").version == 1
    until = time.monotonic() + 10
    while cache.get("iris").version == 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert cache.get("iris").version == 2


def test_models_beyond_the_bound_are_let_go_even_if_references_were_asked_for(published, ticks):
    cache = ModelCache(published, 1, clock=ticks)
    alive = [weakref.ref(cache.get(ref)) for ref in ("iris", "iris@2", "iris@3")]
    gc.collect()
    assert [model() is not None for model in alive] == [False, False, True]
    assert cache.get("iris").version == 1


@pytest.mark.slow
def test_memory_stays_the_same_over_many_swaps(published, ticks, later):
    bound = 2 * published.load("iris", 1).nbytes
    cache = ModelCache(published, bound, clock=ticks, executor=later)

    def swap(rounds):
        for i in range(rounds):
            published.set_alias("iris", "production", 1 + i % 3)
            for ref in ("iris", "iris@production", f"iris@{1 + i % 3}"):
                cache.get(ref)
            ticks.now += 1
            later.run()

    swap(12)
    gc.collect()
    tracemalloc.start()
    swap(12)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    swap(60)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert sum(cache.loaded().values()) <= bound
    assert after - before < 20_000


def test_many_threads_always_get_a_whole_version_while_the_alias_moves(published):
    cache = ModelCache(published, 2 * published.load("iris", 1).nbytes, refresh_seconds=0.0)
    stop, seen, faults = threading.Event(), set(), []

    def ask():
        try:
            while not stop.is_set():
                model = cache.get("iris")
                seen.add(model.version)
                assert model.parameters[0].bias[0] == model.version
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(60):
        published.set_alias("iris", "production", 1 + i % 3)
    stop.set()
    for thread in threads:
        thread.join()
    cache.close()
    assert faults == []
    assert seen <= {1, 2, 3}


def _serve(root, versions):
    cache = ModelCache(Repository(root), 1 << 30)
    while (version := cache.get("iris").version) < 3:
        versions.put((version, time.monotonic()))
        time.sleep(0.01)
    versions.put((version, time.monotonic()))
    cache.close()


@pytest.mark.slow
def test_every_process_follows_an_alias_within_a_second(published, root):
    context = multiprocessing.get_context("fork")
    queues = [context.Queue() for _ in range(2)]
    servers = [context.Process(target=_serve, args=(root, queue)) for queue in queues]
    for server in servers:
        server.start()
    assert [queue.get(timeout=10)[0] for queue in queues] == [1, 1]
    published.set_alias("iris", "production", 3)
    moved = time.monotonic()
    for queue in queues:
        while (answer := queue.get(timeout=10))[0] != 3:
            assert answer[0] == 1
        assert answer[1] - moved < 1.0
    for server in servers:
        server.join()


def test_a_failure_is_forgotten_with_its_model(cache, published, ticks):
    break_weights(published, 1)
    with pytest.raises(ModelBroken):
        cache.get("iris")
    assert list(cache.failures()) == ["iris"]
    published.delete_model("iris")
    cache.sweep()
    assert cache.failures() == {}
