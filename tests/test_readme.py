"""What the README says of settings, files and commands is so."""

import re
from pathlib import Path

import numpy as np
from settings_table import README, written

from app.repository.repository import Repository
from core import encoding, network

ROOT = Path(__file__).parent.parent
TEXT = README.read_text(encoding="utf-8")


def test_the_table_of_settings_is_that_of_settings() -> None:
    assert written(TEXT) == TEXT, "run: .venv/bin/python scripts/settings_table.py --write"


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(
        r"\]\(([^)#:]+)\)|`((?:scripts|docs|deploy|examples|models|tests|bench|core|app)/[\w./-]*)`", TEXT
    )
    paths = {first or second for first, second in named}
    assert {"docs/deployment.md", "scripts/demo"} <= paths
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_script_has_its_line() -> None:
    scripts = {
        f"scripts/{file.name}" for file in (ROOT / "scripts").iterdir() if file.is_file() and not file.suffix
    }
    assert sorted(script for script in scripts if script not in TEXT) == []


def test_what_finds_the_parent_in_the_docs_finds_that_of_the_script_too() -> None:
    pattern = re.search(
        r"pgrep -of '([^']+)'", (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    )[1]
    assert f"/{pattern} " in (ROOT / "scripts" / "serve").read_text(encoding="utf-8")


def test_what_the_docs_show_of_iris_is_what_the_model_that_ships_answers() -> None:
    model = Repository(ROOT / "models").load("iris", 1)
    row = encoding.transform_matrix(model.encoding, np.array([[5.1, 3.5, 1.4, 0.2]]))
    scores = network.logits(model.parameters, row)[0].astype(float) / model.temperature
    expected = np.exp(scores) / np.exp(scores).sum()
    protocol = (ROOT / "docs" / "inference-protocol.md").read_text(encoding="utf-8")
    for text, shown in ((TEXT, r'"probabilities":\[\[([^]]+)'), (protocol, r"# \[\[([^]]+)")):
        numbers = re.split(r"[, ]+", re.search(shown, text)[1])
        assert np.allclose([float(number) for number in numbers], expected, rtol=1e-3, atol=0)
