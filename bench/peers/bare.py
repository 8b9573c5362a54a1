"""The limit: an ASGI function that parses with pysimdjson, multiplies, and answers with orjson. It checks nothing."""

import os

import numpy as np
import orjson
from simdjson import Parser

weights = np.load(os.environ["PEER_MODEL"])
W1, b1, W2, b2 = (weights[name] for name in ("W1", "b1", "W2", "b2"))
parser = Parser()
HEADERS = [(b"content-type", b"application/json")]


def predict(x: np.ndarray) -> np.ndarray:
    hidden = x @ W1
    hidden += b1
    np.maximum(hidden, 0, out=hidden)
    logits = hidden @ W2
    logits += b2
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def read_json(body: bytes) -> np.ndarray:
    rows = parser.parse(body)["instances"]
    x = np.frombuffer(rows.as_buffer(of_type="d"), np.float64).astype(np.float32)
    return x.reshape(-1, W1.shape[0])


def read_npy(body: bytes) -> np.ndarray:
    return np.frombuffer(body, np.float32, offset=10 + int.from_bytes(body[8:10], "little")).reshape(
        -1, W1.shape[0]
    )


async def app(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    message = await receive()
    if message["type"] == "http.disconnect":
        return
    body = message["body"]
    if message.get("more_body"):
        parts = [body]
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message["body"])
        body = b"".join(parts)
    x = read_npy(body) if body[:1] == b"\x93" else read_json(body)
    answer = orjson.dumps({"probabilities": predict(x)}, option=orjson.OPT_SERIALIZE_NUMPY)
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": answer})
