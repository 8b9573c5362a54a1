"""Arrow stream answers: columns `label` (string, int64 or bool) and `probabilities` (a list of c float32).

The schema's metadata holds `model`, `version` and, as JSON in the order of the probabilities, `classes`.
"""

import numpy as np
import orjson
import pyarrow as pa

from app.http.wire.answer import Answer


def write(answer: Answer) -> bytes:
    """The answer as one Arrow IPC stream."""
    flat = pa.array(np.ascontiguousarray(answer.probabilities, dtype=np.float32).ravel())
    kind = _kind(answer)
    labels = answer.labels if kind != pa.string() else list(map(str, answer.labels))
    columns = {
        "label": pa.array(labels, kind),
        "probabilities": pa.FixedSizeListArray.from_arrays(flat, len(answer.classes)),
    }
    table = pa.table(columns, metadata=_metadata(answer))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _kind(answer: Answer) -> pa.DataType:
    """Labels keep their type if all classes share it; a mixture becomes text."""
    kinds = {type(label) for label in answer.classes}
    if kinds == {bool}:
        return pa.bool_()
    return pa.int64() if kinds == {int} else pa.string()


def _metadata(answer: Answer) -> dict[str, str]:
    classes = orjson.dumps(answer.classes).decode()
    return {"model": answer.model, "version": str(answer.version), "classes": classes}
