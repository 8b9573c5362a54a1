"""Metrics against scikit-learn's."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from core import losses, metrics


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 60))
def test_metrics_equal_scikit_learns(seed, classes, rows):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(scale=2, size=(rows, classes)), rng.integers(0, classes, rows)
    ours, y, predicted = metrics.evaluate(losses.log_softmax(z), labels), losses.softmax(z), z.argmax(axis=1)
    everything = list(range(classes))
    assert ours.rows == rows
    assert ours.accuracy == pytest.approx(peer.accuracy_score(labels, predicted))
    assert ours.log_loss == pytest.approx(peer.log_loss(labels, y, labels=everything))
    assert ours.macro_f1 == pytest.approx(peer.f1_score(labels, predicted, average="macro"))
    assert ours.brier == pytest.approx(np.mean(((y - losses.one_hot(labels, classes)) ** 2).sum(axis=1)))
    assert np.array_equal(ours.confusion_matrix, peer.confusion_matrix(labels, predicted, labels=everything))
    table = peer.precision_recall_fscore_support(labels, predicted, labels=everything, zero_division=0)
    for which, expected in zip(("precision", "recall", "f1", "support"), table, strict=True):
        np.testing.assert_allclose([getattr(k, which) for k in ours.per_class], expected)


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_ece_is_the_gap_of_confidence_and_accuracy_by_bin_weighted_by_rows(seed, bins):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(scale=2, size=(50, 3)), rng.integers(0, 3, 50)
    ours = metrics.evaluate(losses.log_softmax(z), labels, bins=bins)
    y = np.exp(losses.log_softmax(z))
    confidence, right = y.max(axis=1), z.argmax(axis=1) == labels
    expected = 0.0
    for place, group in enumerate(ours.reliability):
        within = (confidence > place / bins) & (confidence <= (place + 1) / bins)
        assert group.rows == within.sum()
        if group.rows:
            assert group.confidence == pytest.approx(confidence[within].mean())
            assert group.accuracy == pytest.approx(right[within].mean())
            expected += within.mean() * abs(confidence[within].mean() - right[within].mean())
    assert ours.ece == pytest.approx(expected)


def test_a_confidence_on_the_edge_of_two_bins_belongs_to_the_lower():
    ours = metrics.evaluate(np.log([[0.5, 0.5]]), [0], bins=2)
    assert [group.rows for group in ours.reliability] == [1, 0]


def test_a_probability_that_rounds_to_zero_leaves_the_log_loss_finite():
    logs = losses.log_softmax(np.array([[1e4, -1e4, 0.0]]))
    with np.errstate(all="raise"):
        assert metrics.evaluate(logs, [1]).log_loss == 20_000


def test_metrics_are_plain_json(rng):
    logs = losses.log_softmax(rng.normal(size=(9, 3)).astype(np.float32))
    plain = metrics.evaluate(logs, np.arange(9) % 3).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain | {
        "per_class": list(plain["per_class"]),
        "reliability": list(plain["reliability"]),
    }
    assert np.sum(plain["confusion_matrix"]) == 9


def test_beyond_a_thousand_classes_there_is_no_confusion_matrix(rng, monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", 2500)
    logs = losses.log_softmax(rng.normal(size=(5, 1001)))
    ours = metrics.evaluate(logs, [0, 1, 2, 3, 1000])
    assert ours.confusion_matrix is None
    assert ours.to_dict()["confusion_matrix"] is None
    errors = np.exp(logs) - losses.one_hot([0, 1, 2, 3, 1000], 1001)
    assert ours.brier == pytest.approx((errors**2).sum(axis=1).mean())


def test_no_rows_and_wrong_labels_are_refused():
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        metrics.evaluate(np.zeros((1, 3)), [0], bins=0)
    with pytest.raises(ValueError, match="at least one row"):
        metrics.evaluate(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        metrics.evaluate(np.zeros((1, 3)), [3])
