"""The server keeps to its OpenAPI document, whatever it is asked: a short round of `bench/contract.py`."""

import pytest
from contract import examine


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_the_document_does_not_describe(tmp_path):
    assert examine(tmp_path, seed=1, examples=2, phases="examples,coverage,fuzzing") == ""
