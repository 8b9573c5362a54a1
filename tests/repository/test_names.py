"""Claims about names, aliases and references."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.repository.names import Reference, check_alias, check_name, parse_reference, version_number

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
names = st.from_regex(NAME, fullmatch=True)


@given(names, st.integers(1, 10**12))
def test_a_name_with_a_number_is_that_version(name, version):
    assert parse_reference(f"{name}@{version}") == Reference(name=name, version=version)


@given(names, names.filter(lambda alias: not alias.isdigit()))
def test_a_name_with_an_alias_is_that_alias_and_a_bare_name_its_production(name, alias):
    assert parse_reference(f"{name}@{alias}") == Reference(name=name, alias=alias)
    assert parse_reference(name) == Reference(name=name, alias="production")


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("az09@./\\\n\0"), max_size=80))
def test_a_reference_is_read_exactly_if_it_has_one_of_the_three_forms(text):
    good = re.fullmatch(rf"{NAME}(@([1-9][0-9]*|(?![0-9]+\Z){NAME}))?", text, re.ASCII)
    if good:
        parse_reference(text)
    else:
        with pytest.raises(Invalid):
            parse_reference(text)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "A", "-a", ".lock", "a" * 65, "a\n", "ñ", "a\0", "٣"])
def test_what_could_leave_the_folder_or_hide_in_it_is_no_name(name):
    with pytest.raises(Invalid):
        check_name(name)
    with pytest.raises(Invalid):
        check_alias(name)


def test_all_digits_are_no_alias_and_leading_zeros_no_version():
    with pytest.raises(Invalid):
        check_alias("007")
    assert [version_number(text) for text in ("1", "20", "0", "07", "-1", "٣", "")] == [1, 20] + [None] * 5


def test_a_refusal_says_what_would_be_right():
    with pytest.raises(Invalid, match=r"'Iris' is not a model name, which is 1 to 64 of"):
        parse_reference("Iris")
    with pytest.raises(Invalid, match=r"name, name@7 or name@alias"):
        parse_reference("iris@")
