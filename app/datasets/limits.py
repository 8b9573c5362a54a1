"""How large data may be: the part of the settings that this room keeps to."""

from dataclasses import dataclass
from typing import Self

from app.settings import MIB, Settings


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bytes, depth, columns and classes that one dataset may have; every name is that of its setting."""

    max_upload_bytes: int = 16 * 1024 * MIB
    max_dataset_bytes: int = 32 * 1024 * MIB
    max_json_bytes: int = 64 * MIB
    max_json_depth: int = 100
    max_columns: int = 100_000
    max_classes: int = 10_000

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that `settings` asks for."""
        return cls(**{name: getattr(settings, name) for name in cls.__dataclass_fields__})
