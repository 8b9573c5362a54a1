"""Any two cards can be compared, whoever wrote them."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.http.difference import compare
from core.dealing import Deal

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = (
    "created_at",
    "algorithm",
    "sizes",
    "classes",
    "hyperparameters",
    "rows",
    "metrics",
    "encoding",
    "lineage",
)
parts = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(names, plain),
        "metrics": st.fixed_dictionaries({"accuracy": plain, "per_class": plain}) | plain,
        "encoding": st.fixed_dictionaries({"columns": st.lists(plain)}) | plain,
        "committee": st.fixed_dictionaries({"deal": plain}) | plain,
        "lineage": st.fixed_dictionaries({"software": plain, "dataset": plain, "parent": plain}) | plain,
    },
)
cards = parts.map(lambda card: {**card, "name": "m", "version": 1})


@given(cards, cards)
def test_a_difference_can_be_told_of_whatever_cards_say(before, after):
    found = compare(before, after)
    assert found.before.model == found.after.model == "m"
    assert found.model_dump_json()


def test_truths_and_whole_numbers_are_other_classes():
    one, other = ({"name": "m", "version": 1, "classes": classes} for classes in ([0, 1], [False, True]))
    found = compare(one, other).data.classes
    assert repr(found.added) == "[False, True]"
    assert repr(found.removed) == "[0, 1]"


def test_vectors_of_other_lengths_and_booleans_are_other_types():
    def card(*columns):
        return {"name": "m", "version": 1, "encoding": {"columns": list(columns)}}

    short, long = ({"name": "v", "type": "vector", "mean": [0.0] * n, "scale": [1.0] * n} for n in (2, 3))
    truth, text = ({"name": "c", "type": "categorical", "boolean": flag} for flag in (True, False))
    found = compare(card(short, truth), card(long, text)).data.columns.retyped
    assert [(each.name, each.before, each.after) for each in found] == [
        ("v", "vector of 2", "vector of 3"),
        ("c", "boolean", "categorical"),
    ]


def test_rows_are_the_same_if_one_rule_held_them_out_of_one_dataset():
    def judged(deal, dataset="ds_1"):
        return {
            "name": "m",
            "version": 1,
            "metrics_on": "validation",
            "hyperparameters": {"validation_fraction": deal.fraction, "seed": 0},
            "lineage": {"dataset": dataset},
            "committee": {"deal": deal.to_dict()},
        }

    rule = Deal(folds=1, fraction=0.1, seed=0, columns=("a", "b"))
    alike = judged(replace(rule, columns=("b", "a"), clean=False))
    assert compare(judged(rule), alike).same_validation_rows
    others = [
        {"columns": ("a", "b", "c")},
        {"called": ("a", "before")},
        {"fraction": 0.2},
        {"seed": 1},
        {"together": False},
    ]
    for other in [judged(rule, "ds_2"), *(judged(replace(rule, **change)) for change in others)]:
        assert not compare(judged(rule), other).same_validation_rows, other["committee"]
