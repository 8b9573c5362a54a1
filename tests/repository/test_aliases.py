"""Claims about aliases and their history as a value."""

from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.repository import aliases as alias_file
from app.repository.aliases import Aliases, from_bytes, to_bytes

moves = st.lists(st.tuples(st.sampled_from(["production", "canary"]), st.none() | st.integers(1, 5)))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def after(moves):
    aliases = Aliases()
    for alias, version in moves:
        aliases = aliases.moved(alias, version, at="2026-01-01T00:00:00Z")
    return aliases


@given(moves)
def test_what_was_written_is_read_again(moves):
    aliases = after(moves).reaching(9).moved("canary", 3, at="2026-01-02T00:00:00Z", job="job_1")
    assert from_bytes(to_bytes(aliases)) == aliases


@given(moves)
def test_moves_keep_their_numbers_when_the_oldest_are_forgotten(moves):
    aliases = after(moves)
    assert [number for number, _ in aliases.newest_first()] == list(range(len(moves), 0, -1))
    short = replace(aliases, history=aliases.history[-2:])
    assert short.newest_first() == aliases.newest_first()[:2]
    assert short.moved("production", 1, at="").newest_first()[0][0] == len(moves) + 1


@given(moves)
def test_targets_are_what_a_plain_dict_would_hold(moves):
    expected = {alias: version for alias, version in dict(moves).items() if version is not None}
    assert after(moves).targets == expected


def test_rolling_back_walks_back_through_the_history_and_a_new_move_forgets_what_was_undone():
    aliases = after([("production", version) for version in (1, 2, 3)])
    everything = {1, 2, 3, 4}
    aliases = aliases.moved("production", aliases.earlier("production", everything), at="", rollback=True)
    assert aliases.targets["production"] == 2
    assert aliases.earlier("production", everything) == 1
    aliases = aliases.moved("production", 4, at="")
    assert aliases.trail("production") == [None, 1, 2, 4]
    assert aliases.earlier("production", everything) == 2


def test_deleted_versions_and_times_without_the_alias_are_passed_over():
    aliases = after([("production", version) for version in (1, 2, None, 3, 1, 3)])
    assert aliases.earlier("production", {1, 2, 3}) == 1
    assert aliases.earlier("production", {2, 3}) == 2
    assert aliases.earlier("production", {3}) is None


def test_an_alias_that_was_deleted_rolls_back_to_where_it_pointed():
    assert after([("production", 1), ("production", None)]).earlier("production", {1}) == 1


def test_a_history_cut_at_its_limit_still_rolls_back_as_far_as_it_reaches(monkeypatch):
    monkeypatch.setattr(alias_file, "HISTORY_LIMIT", 3)
    aliases = after([("production", version) for version in range(1, 10)])
    assert len(aliases.history) == 3
    for expected in (8, 7):
        version = aliases.earlier("production", range(1, 10))
        assert version == expected
        aliases = aliases.moved("production", version, at="", rollback=True)
    assert aliases.earlier("production", range(1, 10)) is None


def test_aliases_shipped_without_history_have_nothing_to_go_back_to():
    aliases = from_bytes(b'{"format": 1, "aliases": {"production": 3}}')
    assert aliases.targets == {"production": 3}
    assert aliases.earlier("production", {1, 2, 3}) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no format"),
        (b'{"format": true, "aliases": {}}', "no format"),
        (b'{"format": 2, "aliases": {}}', "format 2, newer than the 1"),
        (b'{"format": 1}', "not an alias"),
        (b'{"format": 1, "aliases": {"../x": 1}}', "not an alias"),
        (b'{"format": 1, "aliases": {"7": 1}}', "not an alias"),
        (b'{"format": 1, "aliases": {"a": 0}}', "whole number from 1"),
        (b'{"format": 1, "aliases": {"a": true}}', "whole number from 1"),
        (b'{"format": 1, "aliases": {}, "last_version": -1}', "whole number from 0"),
        (b'{"format": 1, "aliases": {}, "moves": 1.5}', "whole number from 0"),
        (b'{"format": 1, "aliases": {}, "moves": 0, "history": [{"alias": "a"}]}', "whole number from 1"),
        (b'{"format": 1, "aliases": {}, "history": {}}', "not a list"),
        (b'{"format": 1, "aliases": {}, "history": [1]}', "not a move"),
        (b'{"format": 1, "aliases": {}, "history": [{"alias": "a", "to": "1"}]}', "whole number from 1"),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_its_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        from_bytes(text)


@given(st.fixed_dictionaries({"format": st.just(1) | plain, "aliases": plain, "history": plain}) | plain)
def test_any_json_is_read_or_refused_by_value_error(content):
    with suppress(ValueError):
        from_bytes(orjson.dumps(content))
