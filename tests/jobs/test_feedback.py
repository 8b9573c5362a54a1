"""Feedback is kept once, in order, summed by version, and a dataset is never given what it holds already."""

import threading

import pytest

from app.errors import FeedbackFull, FeedbackKeyReused, ModelNotFound
from app.jobs import FeedbackStore, NewFeedback
from app.jobs import feedback as room

ROOM = {"most_rows": 1000, "most_bytes": 1 << 20}
BASE, FIRST, SECOND = ("ds_" + digit * 16 for digit in "012")


@pytest.fixture
def feedback(url, clock, store):
    kept = FeedbackStore(url, now=clock)
    yield kept
    kept.close()


def new(rows=2, *, model="iris", version=1, correct=1, scored=2, loss=0.5, content="{}"):
    return NewFeedback(
        model=model, version=version, rows=rows, correct=correct, scored=scored, loss=loss, content=content
    )


def numbers(feedback, model="iris", above=0, upto=10**9):
    return [each.number for page in feedback.contents(model, above, upto) for each in page]


def test_sums_are_by_version_and_of_all_requests(feedback, clock):
    feedback.add(new(4, correct=3, scored=4, loss=1.0), **ROOM)
    clock.forward(60)
    feedback.add(new(6, correct=5, scored=4, loss=2.0), **ROOM)
    feedback.add(new(1, version=2, correct=0, scored=0, loss=0.0), **ROOM)
    feedback.add(new(model="digits"), **ROOM)
    first, second = feedback.standings("iris")
    assert (first.version, first.rows, first.accuracy, first.log_loss) == (1, 10, 0.8, 0.375)
    assert (first.since, first.until) == ("2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z")
    assert (second.version, second.rows, second.accuracy, second.log_loss) == (2, 1, 0.0, None)
    assert [each.model for each in feedback.standings()] == ["digits", "iris", "iris"]
    assert feedback.kept("iris") == 11


def test_a_key_counts_once_for_its_model_and_never_for_something_else(feedback):
    made, created = feedback.add(new(), key="k", fingerprint="a", **ROOM)
    again, created_again = feedback.add(new(), key="k", fingerprint="a", **ROOM)
    assert (created, created_again, again) == (True, False, made)
    assert feedback.recall("iris", "k", "a") == made
    assert feedback.recall("iris", "other", "a") is None
    assert feedback.standings("iris")[0].rows == 2
    with pytest.raises(FeedbackKeyReused, match="2026-01-01"):
        feedback.add(new(), key="k", fingerprint="b", **ROOM)
    with pytest.raises(FeedbackKeyReused):
        feedback.recall("iris", "k", "b")
    assert feedback.add(new(model="digits"), key="k", fingerprint="b", **ROOM)[1]


def test_requests_without_a_key_all_count(feedback):
    for _ in range(3):
        assert feedback.add(new(), fingerprint="a", **ROOM)[1]
    assert feedback.kept("iris") == 6


def test_many_who_send_at_once_are_all_kept_and_one_key_once(feedback, url):
    barrier = threading.Barrier(6)

    def send(place):
        other = FeedbackStore(url)
        barrier.wait()
        for number in range(5):
            other.add(new(1), **ROOM)
            other.add(new(1), key=f"k{number}", fingerprint="a", **ROOM)
        other.close()

    threads = [threading.Thread(target=send, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert feedback.kept("iris") == feedback.standings("iris")[0].rows == len(numbers(feedback)) == 6 * 5 + 5


def test_more_than_may_be_kept_is_refused_and_what_to_do_is_said(feedback):
    feedback.add(new(6), most_rows=10, most_bytes=100)
    with pytest.raises(FeedbackFull, match=r"keeps 6 rows .* more than 10 \(max_feedback_rows\)"):
        feedback.add(new(5), most_rows=10, most_bytes=100)
    with pytest.raises(FeedbackFull, match=r"bytes .* \(max_feedback_bytes\).*used=true"):
        feedback.add(new(4, content="é" * 50), most_rows=10, most_bytes=100)
    feedback.add(new(4), most_rows=10, most_bytes=100)
    feedback.add(new(10, model="digits"), most_rows=10, most_bytes=100)


def test_nothing_is_kept_where_the_last_check_fails(feedback):
    def gone():
        raise ModelNotFound(name="iris")

    with pytest.raises(ModelNotFound):
        feedback.add(new(), check=gone, **ROOM)
    assert feedback.standings() == []


def test_a_dataset_is_given_what_it_does_not_hold_and_that_once(feedback):
    a, b = (feedback.add(new(3), **ROOM)[0].number for _ in range(2))
    assert feedback.span("iris", BASE) == (0, b)
    assert numbers(feedback) == [a, b]
    feedback.note_use("iris", FIRST, b)
    c = feedback.add(new(5), **ROOM)[0].number
    assert feedback.span("iris", FIRST) == (b, c)
    assert (feedback.not_in("iris", FIRST), feedback.not_in("iris", BASE)) == (5, 11)
    assert numbers(feedback, above=b) == [c]
    feedback.note_use("iris", SECOND, c)
    feedback.note_use("iris", SECOND, b)
    assert feedback.not_in("iris", SECOND) == 0
    assert feedback.not_in("digits", SECOND) == 0


def test_rows_come_in_order_in_pages_of_bounded_size(feedback, monkeypatch):
    monkeypatch.setattr(room, "_PAGE_BYTES", 100)
    monkeypatch.setattr(room, "_PAGE_REQUESTS", 3)
    for size in (40, 40, 40, 200, 1, 1, 1, 1):
        feedback.add(new(1, content="x" * size), **ROOM)
    feedback.add(new(1, model="digits"), **ROOM)
    pages = list(feedback.contents("iris", 0, 10**9))
    assert [[len(each.content) for each in page] for page in pages] == [[40, 40], [40], [200], [1, 1, 1], [1]]
    assert [each.number for page in pages for each in page] == list(range(1, 9))


def test_what_a_dataset_holds_can_be_given_up_and_the_figures_stay(feedback):
    used = feedback.add(new(3, content="x" * 10), key="k", fingerprint="a", **ROOM)[0].number
    feedback.note_use("iris", FIRST, used)
    feedback.add(new(2), **ROOM)
    feedback.add(new(3, version=2), **ROOM)
    assert feedback.give_up("iris", FIRST) == 1
    assert feedback.give_up("iris", FIRST) == 0
    assert feedback.kept("iris") == 5
    assert [each.rows for each in feedback.standings("iris")] == [5, 3]
    assert not feedback.add(new(3), key="k", fingerprint="a", **ROOM)[1]
    assert feedback.not_in("iris", BASE) == 5
    feedback.add(new(5), most_rows=10, most_bytes=6)
    with pytest.raises(FeedbackFull):
        feedback.add(new(1), most_rows=10, most_bytes=1 << 20)


def test_a_version_none_of_whose_rows_are_kept_takes_no_room(feedback):
    used = feedback.add(new(3), **ROOM)[0].number
    feedback.add(new(5, version=2), **ROOM)
    feedback.note_use("iris", FIRST, used)
    feedback.give_up("iris", FIRST)
    assert feedback.kept("iris") == 5


def test_what_is_forgotten_leaves_nothing_and_its_numbers_are_not_used_again(feedback):
    last = feedback.add(new(), key="k", fingerprint="a", **ROOM)[0].number
    feedback.add(new(model="digits"), **ROOM)
    feedback.note_use("iris", FIRST, last)
    assert feedback.forget("iris") == 1
    assert feedback.standings("iris") == []
    assert feedback.span("iris", FIRST) == (0, 0)
    later, created = feedback.add(new(), key="k", fingerprint="b", **ROOM)
    assert created
    assert later.number > last
    assert feedback.not_in("iris", FIRST) == 2
    assert feedback.kept("digits") == 2


def test_a_models_feedback_goes_with_it_or_stays_with_it(feedback, store, new_job):
    feedback.add(new(), **ROOM)
    with pytest.raises(NotImplementedError), store.model_unneeded("iris", [1]):
        raise NotImplementedError  # the models folder failed
    assert feedback.kept("iris") == 2
    with store.model_unneeded("iris", [1]):
        pass
    assert feedback.standings() == []
