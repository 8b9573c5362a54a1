"""The settings of a command, or a sentence about each that is wrong."""

import sys
from typing import Any

from app.bootstrap import build_keys
from app.errors import Invalid
from app.settings import Settings, mistakes


def configured(**said: Any) -> Settings:
    """The settings, those said before those of the environment. Ends the process, with code 2, if one is wrong."""
    try:
        settings = Settings(**{name: value for name, value in said.items() if value is not None})
        build_keys(settings)
    except (Invalid, OSError) as error:
        wrong = [f"NEURONA_API_KEYS: {error}"]
    except ValueError as error:
        wrong = mistakes(error)
    else:
        return settings
    print("\n".join(wrong), file=sys.stderr)
    raise SystemExit(2)
