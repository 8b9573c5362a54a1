"""Who may do what: API keys with roles, kept and compared as hashes.

Without any key the server is open to loopback alone, and there to no web page of somebody else: a browser that was
led here by a foreign page says so (`Origin`, `Sec-Fetch-Site`) or asks for a foreign host. Pages of the origins that
`cors_origins` names one by one are not foreign.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from app.errors import Forbidden, Foreign, Invalid, NeuronaError, Problem, Unauthorized
from app.storage.folder import make_folder, write_atomic

_MADE = "admin-key.sha256"
_LINE = re.compile(r"(?P<role>predict|train|admin)[:\s]+(?P<key>[!-~]{16,512})")
_REMARK = re.compile(r"(^|\s)#.*")
_HASHED = "sha256:"
_LONGEST = 600  # bytes of what is remembered of a caller
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Role(IntEnum):
    """What a key may do; each role may do all that the one before may."""

    NOBODY = 0
    PREDICT = 1
    TRAIN = 2
    ADMIN = 3


# The first line that fits a request says which role it needs. A test holds this against every route.
_NEEDED: Sequence[tuple[str, str, Role]] = (
    (r".*", r".*[\x00-\x1f\x7f].*", Role.ADMIN),  # no path of ours; the framework reads "/x\n" as "/x"
    (r"GET|HEAD", r"/|/docs|/openapi\.json|/static/.*|/v2/health/(live|ready)", Role.NOBODY),
    (r"DELETE|PUT", r"/.*", Role.ADMIN),
    (r"POST", r"/v1/models/[^/]+/rollback|/v2/repository/models/[^/]+/(load|unload)", Role.ADMIN),
    (r"POST", r"/v1/models/[^/]+/predict|/v2/.*", Role.PREDICT),
    (r"GET|HEAD", r"/metrics|/v1/info|/v1/models.*|/v2.*", Role.PREDICT),
    (r".*", r"/.*", Role.TRAIN),
)
_PATTERNS = [(re.compile(method), re.compile(path, re.DOTALL), role) for method, path, role in _NEEDED]


def role_needed(method: str, path: str) -> Role:
    """The role that a request needs."""
    found = (role for verb, place, role in _PATTERNS if verb.fullmatch(method) and place.fullmatch(path))
    return next(found, Role.ADMIN)  # no path at all: OPTIONS *


@dataclass(frozen=True)
class Keys:
    """The keys in force, by their SHA-256; none at all means that loopback is open.

    `origins`: those of other places whose pages may then call as this machine's own do.
    """

    roles: Mapping[bytes, Role]
    origins: frozenset[bytes] = frozenset()

    def role_of(self, key: str) -> Role:
        """What a key may do. Every known key is compared, in constant time."""
        digest = hashlib.sha256(key.encode()).digest()
        found = Role.NOBODY
        for known, role in self.roles.items():
            if hmac.compare_digest(known, digest):
                found = role
        return found

    def check(self, needed: Role, headers: Mapping[bytes, bytes], address: str | None) -> None:
        """Let a request pass, or not.

        address: the one of this server that it came to; None for a local socket. A name is none that a network
        knows: the caller is in this process, and calls the server what he likes.
        Raises: Unauthorized; Forbidden.
        """
        if needed is Role.NOBODY:
            return
        if not self.roles:
            if address is not None and not _is_address(address):
                return
            origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
            host = headers.get(b"host", b"localhost")
            short = len(origin or b"") + len(site or b"") + len(host) <= _LONGEST
            if not short or not _is_welcome(address, origin, site, host, self.origins):
                raise _refused(address)
            return
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized(reason="this needs a key: send Authorization: Bearer KEY")
        role = self.role_of(key.strip())
        if role is Role.NOBODY:
            raise Unauthorized(reason="this key is not known here")
        if role < needed:
            raise Forbidden(role=role.name.lower(), needed=needed.name.lower())


def read_keys(
    text: str | None, file: Path | None, made_in: Path, *, origins: frozenset[bytes] = frozenset()
) -> Keys:
    """The keys of a setting (`role:key`, with commas), of a file (one a line) and the one made at a first start.

    A key may be given as `sha256:` and its hash. Raises: Invalid; OSError, if the file cannot be read.
    """
    lines: list[str] = (text or "").split(",")
    if file is not None:
        lines += [_REMARK.sub("", line) for line in file.read_text("utf-8-sig", "replace").splitlines()]
    roles = dict(_parsed(line.strip()) for line in lines if line.strip())
    made = made_in / _MADE
    if not roles and made.is_file():
        roles[_made(made.read_text("utf-8", "replace").strip())] = Role.ADMIN
    return Keys(roles, origins)


def make_key(folder: Path) -> str | None:
    """Make an admin key and keep its hash; the key, to be shown once, or None if one was made before."""
    if (folder / _MADE).is_file():
        return None
    key = secrets.token_urlsafe(32)
    make_folder(folder)
    write_atomic(folder / _MADE, hashlib.sha256(key.encode()).hexdigest().encode())
    return key


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Whether an address or host name means this machine alone."""
    try:
        return ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def _parsed(line: str) -> tuple[bytes, Role]:
    match = _LINE.fullmatch(line)
    if match is None:
        told = "with a role of predict, train or admin and 16 to 512 visible ASCII characters"
        raise Invalid(Problem(message=f"a key is written role:key, {told}", location="NEURONA_API_KEYS"))
    role, key = Role[match["role"].upper()], match["key"]
    if key.startswith(_HASHED):
        digest = key.removeprefix(_HASHED)
        if not _DIGEST.fullmatch(digest):
            message = f"{_HASHED} is followed by the 64 hexadecimal digits of a SHA-256"
            raise Invalid(Problem(message=message, location="NEURONA_API_KEYS"))
        return bytes.fromhex(digest), role
    return hashlib.sha256(key.encode()).digest(), role


def _made(digest: str) -> bytes:
    if not _DIGEST.fullmatch(digest):
        message = (
            f"{_MADE} in the data folder is no SHA-256; without that file the next start makes another key"
        )
        raise Invalid(Problem(message=message, location=_MADE))
    return bytes.fromhex(digest)


@lru_cache(maxsize=1024)  # the same few ask all the time
def _is_welcome(
    address: str | None, origin: bytes | None, site: bytes | None, host: bytes, origins: frozenset[bytes]
) -> bool:
    """Whether somebody without a key is on this machine, and no page of somebody else."""
    if address is not None and not is_loopback(address):
        return False
    own_page = origin is None or _is_local(origin.partition(b"//")[2])
    invited = origin is not None and origin in origins
    return (invited or (own_page and site != b"cross-site")) and _is_local(host)


def _refused(address: str | None) -> NeuronaError:
    if address is not None and not is_loopback(address):
        return Unauthorized(
            reason="no key is configured, so only this machine itself is served; see NEURONA_API_KEYS"
        )
    return Foreign()


def _is_local(host: bytes) -> bool:
    """Whether a host, with its port or without, is this machine."""
    text = host.decode("latin-1")
    return is_loopback(text.partition("]")[0] if text.startswith("[") else text.partition(":")[0])
