"""Which content types are read here, how a file name tells one, and what bytes look like."""

from app.errors import Unreadable, UnsupportedType

CSV = "text/csv"
JSON = "application/json"
NPZ = "application/x-npz"
PARQUET = "application/vnd.apache.parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW_FILE = "application/vnd.apache.arrow.file"
MEDIA_TYPES = (CSV, JSON, NPZ, PARQUET, ARROW_STREAM, ARROW_FILE)

_SUFFIXES = {
    ".csv": CSV,
    ".json": JSON,
    ".npz": NPZ,
    ".parquet": PARQUET,
    ".arrows": ARROW_STREAM,
    ".arrow": ARROW_FILE,
    ".feather": ARROW_FILE,
}
_MAGIC = (
    (b"PK\x03\x04", "a zip archive, as .npz and .xlsx files are", NPZ),
    (b"PK\x05\x06", "an empty zip archive", NPZ),
    (b"PAR1", "a Parquet file", PARQUET),
    (b"ARROW1", "an Arrow file", ARROW_FILE),
    (b"\xff\xff\xff\xff", "an Arrow stream", ARROW_STREAM),
    (b"\x93NUMPY", "a bare .npy array", None),
    (b"\x1f\x8b", "gzip (say so by Content-Encoding: gzip)", None),
    (b"%PDF", "a PDF document", None),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", None),
    (b"\x28\xb5\x2f\xfd", "zstd", None),
)


def media_type_of(declared: str, file_name: str) -> str:
    """The type of an uploaded file: the declared one if it is read here, else what the name's suffix tells.

    `.csv.gz` tells text/csv; that it is zipped is for the caller to see. Unknown to both: `declared`.
    """
    if declared.partition(";")[0].strip().lower() in MEDIA_TYPES:
        return declared
    name = file_name.lower().removesuffix(".gz")
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), declared)


def known(media_type: str) -> str:
    """`media_type` without its parameters. Raises UnsupportedType if nobody here reads it."""
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    if kind not in MEDIA_TYPES:
        raise UnsupportedType(got=media_type, expected=", ".join(MEDIA_TYPES))
    charset = next((p.partition("=")[2].strip('" ') for p in parameters if p.startswith("charset")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UnsupportedType(got=media_type, expected=f"{kind} as UTF-8")
    return kind


def check_bytes(media_type: str, head: bytes) -> None:
    """Raise Unreadable if the body is empty, or its first bytes are plainly those of another format."""
    if not head:
        raise Unreadable(what="The body", reason="it is empty")
    for magic, description, kind in _MAGIC:
        if head.startswith(magic) and kind != media_type:
            advice = f"; send it as {kind}" if kind else ""
            raise Unreadable(
                what="The body", reason=f"its type says {media_type}, but it looks like {description}{advice}"
            )
    signature = {NPZ: b"PK", PARQUET: b"PAR1", ARROW_FILE: b"ARROW1"}.get(media_type, b"")
    if not head.startswith(signature):
        raise Unreadable(
            what="The body", reason=f"its type says {media_type}, but it does not begin like one"
        )
