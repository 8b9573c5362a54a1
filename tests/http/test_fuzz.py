"""A short run of `bench/fuzz.py`: spoilt predictions of every format are answered, and never by a failure."""

import numpy as np
import pytest
from fuzz import MOST_GROWTH, fuzz


@pytest.mark.slow
def test_spoilt_predictions_are_refused_in_the_contracts_form_and_good_ones_between_them_answered(tmp_path):
    with np.errstate(all="ignore"):  # as in a server, where what is not finite is refused afterwards
        outcome = fuzz(tmp_path, seed=7, numbers=range(6_000))
    assert outcome.wrong == []
    assert outcome.good == 30
    assert outcome.growth < MOST_GROWTH
    assert {status for _, status in outcome.statuses} <= {200, 400, 404, 406, 413, 415, 422}
