"""Claims about versions in memory: loaded once, bounded, the least recently used dropped first."""

import threading

import pytest

from app.repository.loaded import LoadedModels


@pytest.fixture
def loading(make_model):
    """A loader that counts what it is asked for."""

    class Loading:
        def __init__(self):
            self.asked = []

        def __call__(self, key):
            self.asked.append(key)
            return make_model(key[1], name=key[0])

    return Loading()


def test_the_least_recently_used_is_dropped_first(loading, make_model):
    models = LoadedModels(loading, 2 * make_model().nbytes)
    for version in (1, 2):
        models.get(("iris", version))
    models.touch(("iris", 1))
    models.get(("iris", 3))
    assert list(models.sizes()) == [("iris", 1), ("iris", 3)]
    models.get(("iris", 1))
    models.get(("iris", 4))
    assert list(models.sizes()) == [("iris", 1), ("iris", 4)]
    assert len(loading.asked) == 4


def test_a_model_larger_than_the_bound_is_kept_alone(loading):
    models = LoadedModels(loading, 1)
    for version in (1, 2):
        models.get(("iris", version))
    assert list(models.sizes()) == [("iris", 2)]


def test_what_was_let_go_of_makes_room(loading, make_model):
    models = LoadedModels(loading, 2 * make_model().nbytes)
    for name in ("iris", "digits", "letters"):
        models.get((name, 1))
        models.drop("iris")
    assert list(models.sizes()) == [("digits", 1), ("letters", 1)]
    assert models.evictions == 0


def test_threads_that_want_the_same_version_load_it_once(make_model):
    started, go, asked = threading.Event(), threading.Event(), []

    def load(key):
        asked.append(key)
        started.set()
        assert go.wait(10)
        return make_model(key[1])

    models, got = LoadedModels(load, 1 << 30), []
    threads = [threading.Thread(target=lambda: got.append(models.get(("iris", 1)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert asked == [("iris", 1)]
    assert len({id(model) for model in got}) == 1


def test_a_failed_load_fails_for_all_who_waited_and_is_tried_again_by_the_next(make_model):
    results = [ZeroDivisionError(), make_model()]

    def load(_):
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    models = LoadedModels(load, 1 << 30)
    with pytest.raises(ZeroDivisionError):
        models.get(("iris", 1))
    assert models.sizes() == {}
    assert models.get(("iris", 1)).version == 1
