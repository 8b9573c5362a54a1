"""Each command tells a stranger what it takes, whatever the environment holds."""

import pytest

from app.__main__ import main


@pytest.mark.parametrize("command", ["serve", "trainer", "train", "predict"])
def test_every_option_of_a_command_is_explained(command, monkeypatch, capsys):
    monkeypatch.setenv("NEURONA_URL", "http://a%20b")  # argparse takes % for one of its own
    monkeypatch.setenv("NEURONA_KEY", "a-secret-of-somebody")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "a-secret-of-somebody" not in told
    assert "http," not in told
    options = told.partition("options:\n")[2].partition("\n\n")[0].splitlines()
    bare = [line for line, after in zip(options, [*options[1:], ""], strict=True) if _is_bare(line, after)]
    assert bare == []


def _is_bare(line: str, after: str) -> bool:
    """Whether an option has no text behind it, and none on the next line."""
    return line.startswith("  -") and "  " not in line.strip() and not after.startswith("      ")
