"""The usual way: FastAPI with a pydantic model of lists of floats, as tutorials show it."""

import os

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

weights = np.load(os.environ["PEER_MODEL"])
W1, b1, W2, b2 = (weights[name] for name in ("W1", "b1", "W2", "b2"))
app = FastAPI()


class Instances(BaseModel):
    instances: list[list[float]]


class Probabilities(BaseModel):
    probabilities: list[list[float]]


@app.post("/predict")
def predict(body: Instances) -> Probabilities:
    x = np.array(body.instances, dtype=np.float32)
    logits = np.maximum(x @ W1 + b1, 0) @ W2 + b2
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Probabilities(probabilities=(scores / scores.sum(axis=1, keepdims=True)).tolist())
