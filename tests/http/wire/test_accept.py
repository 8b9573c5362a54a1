"""`Accept` is understood as RFC 9110 says, and JSON is the answer where anything will do."""

import pytest

from app.errors import NotAcceptable
from app.http.wire.accept import choose

OFFERS = ("application/json", "application/x-npy", "application/vnd.apache.arrow.stream")
JSON, NPY, ARROW = OFFERS


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/x-npy", NPY),
        ("Application/X-NPY", NPY),
        ("application/x-npy, */*", NPY),
        ("application/json, text/plain, */*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("application/json;q=0.5, application/vnd.apache.arrow.stream", ARROW),
        ("application/json;q=0, */*", NPY),
        ("application/json;q=0, application/x-npy;q=0, application/*;q=0.1", ARROW),
        ("application/x-npy ; q=0.2 , application/json ; q=0.3", JSON),
        ("application/x-npy;version=1;q=0.9, application/json;q=0.8", NPY),
        ("application/x-npy;q=nan, application/json;q=0.8", NPY),
    ],
)
def test_the_best_offer_is_chosen(accept, chosen):
    assert choose(accept, OFFERS) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", "*/*;q=0", "application/json;q=0.0", ";;", "json"]
)
def test_what_nobody_writes_is_refused_with_what_there_is(accept):
    with pytest.raises(NotAcceptable, match=r"accept one of: application/json, application/x-npy"):
        choose(accept, OFFERS)
