"""Whether the server of this container is ready: ends with 0 if it is, else with 1 and why.

Where a client must show a certificate this one has none to show, and only sees that the server takes connections.
"""

import os
import socket
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

_SECONDS = 4.0  # less than the health check gets
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on


def wrong() -> str | None:
    """Why the server that the environment describes is not ready; None if it is. Raises: OSError; HTTPException."""
    host = os.environ.get("NEURONA_HOST", "127.0.0.1")
    at = _EVERYWHERE.get(host, host), int(os.environ.get("NEURONA_PORT", "8000"))
    tls = "NEURONA_SSL_CERTFILE" in os.environ
    if tls and "NEURONA_SSL_CA_CERTS" in os.environ:
        socket.create_connection(at, _SECONDS).close()
        return None
    connection = _over_tls(*at) if tls else HTTPConnection(*at, timeout=_SECONDS)
    try:
        connection.request("GET", "/v2/health/ready")
        answer = connection.getresponse()
        return None if answer.status == 200 else f"{answer.status}: {answer.read().decode()}"
    finally:
        connection.close()


def _over_tls(host: str, port: int) -> HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate need not know the address by which a server asks itself
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=_SECONDS, context=context)


if __name__ == "__main__":
    try:
        sys.exit(wrong())
    except (OSError, HTTPException) as error:
        sys.exit(f"no answer: {error}")
