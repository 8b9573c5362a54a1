"""Write the README's table of settings from `Settings`: scripts/settings_table.py [--write]"""

import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from app.settings import Settings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->\n"


def table() -> str:
    """One line for each setting: its variable, its default, what it is for."""
    lines = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `NEURONA_{name.upper()}` | {shown(name, field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def shown(name: str, default: object) -> str:
    """A default as a person would write it."""
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if name.endswith("_bytes") and isinstance(default, int):
        mebibytes = default / 2**20
        if mebibytes < 1:
            return f"{default / 2**10:g} KiB"
        return f"{mebibytes / 1024:g} GiB" if mebibytes >= 1024 else f"{mebibytes:g} MiB"
    return f"{default:,}" if isinstance(default, int) and default >= 10_000 else str(default)


def written(text: str) -> str:
    """The README's text with the present table in it."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    if "--write" in sys.argv:
        README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
