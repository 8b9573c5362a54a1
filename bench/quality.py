"""How good the defaults are: `python bench/quality.py [--part choose|report|all] [--tables a,b] [--splits N]`.

Test log loss and accuracy on public tables (bench/fetch_quality.py first) of what `algorithm: auto` trains when
nothing is said, beside scikit-learn's LogisticRegression and MLPClassifier with their defaults, on the same
standardised, one-hot rows: a quarter of each table is kept for the test, several times where tables are small.
Seconds are of one process's processor time, with one BLAS thread, all three in turns.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
import quality_data
from quality_data import Table
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from core import committee, dealing, defaults, encoding, splitting, training
from core.conclusion import chosen, conclude
from core.encoding import Codes, Encoding, NumericColumn, RawColumns
from core.knots import with_knots
from core.losses import log_softmax
from core.merging import levelled, merge
from core.network import Params, logits, sizes
from core.survey import length
from core.training import Examples, TrainingSpec

Score = tuple[float, float, float]  # log loss, accuracy, seconds
SEEDS = ((600, 8), (2500, 4), (12000, 2))  # rows up to which there are so many splits; beyond, one


def neurona(table: Table, train: np.ndarray, test: np.ndarray) -> Score:
    """What a job does by default, without the service around it."""
    began = time.process_time()
    columns, labels, classes = take(table.columns, train), table.labels[train], table.classes
    plain = encoding.fit(columns)
    count = defaults.folds(rows=len(train), features=plain.width, classes=classes)
    fold = dealing.new_deal(columns, labels, folds=count, fraction=0.1, seed=0).fold(columns, labels)
    if count == 1:
        plain = encoding.fit(take(columns, np.flatnonzero(fold < 0)))
    fitted = cut(plain, columns, classes) if count > 1 else plain
    held = committee.Held(Examples(encoding.transform(fitted, columns), labels), fold, count)
    trained, conclusions = {}, {}
    for name in ("softmax_regression", "relu_network"):
        path = defaults.candidate(
            rows=len(train),
            features=fitted.width,
            classes=classes,
            hidden=name == "relu_network",
            members=count,
        )
        state = committee.fresh(path[0], held, classes)
        for each in committee.fit(path, held, state):
            state = each.state
        trained[name] = path[state.best.stage], state.best.members
        conclusions[name] = conclude(levelled(state.best.members), held)
    best = chosen(conclusions)
    parameters = whole(*trained[best], held)
    seconds = time.process_time() - began
    x = encoding.transform(fitted, take(table.columns, test))
    logs = log_softmax(logits(parameters, x) / conclusions[best].temperature)
    return *judge(logs, table.labels[test]), seconds


def cut(plain: Encoding, columns: RawColumns, classes: int) -> Encoding:
    """With numbers in bins, as app.jobs.plan has them."""
    numbers = sum(isinstance(column, NumericColumn) for column in plain.columns)
    count = defaults.bins(rows=length(columns), features=plain.width, numbers=numbers, classes=classes)
    return with_knots(plain, columns, count) if count else plain


def whole(spec: TrainingSpec, members: tuple[Params, ...], held: committee.Held) -> Params:
    """As app.training.outcome has it."""
    merged = merge(members)
    if spec.optimizer != "lbfgs" or len(members) == 1:
        return merged
    features, *_, classes = sizes(merged)
    state = training.begin(spec, features, classes, parameters=merged)
    *_, last = training.fit(spec, held.examples, None, state)
    return last.state.parameters


def sklearn(make: Callable[..., object]) -> Callable[[Table, np.ndarray, np.ndarray], Score]:
    def score(table: Table, train: np.ndarray, test: np.ndarray) -> Score:
        fitted = encoding.fit(take(table.columns, train))
        x, rows = (encoding.transform(fitted, take(table.columns, part)) for part in (train, test))
        began = time.process_time()
        model = make(random_state=0).fit(x, table.labels[train])
        seconds = time.process_time() - began
        logs = np.full((len(test), table.classes), -700.0)
        with np.errstate(divide="ignore"):
            logs[:, model.classes_] = np.maximum(np.log(model.predict_proba(rows).astype(float)), -700.0)
        return *judge(logs, table.labels[test]), seconds

    return score


def judge(log_probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    own = log_probabilities[np.arange(len(labels)), labels]
    return float(-own.mean()), float(np.mean(log_probabilities.argmax(axis=1) == labels))


def take(columns: RawColumns, rows: np.ndarray) -> RawColumns:
    return {
        name: Codes(column.codes[rows], column.vocabulary) if isinstance(column, Codes) else column[rows]
        for name, column in columns.items()
    }


PEERS = {"neurona": neurona, "logistic": sklearn(LogisticRegression), "mlp": sklearn(MLPClassifier)}


def measure(name: str, known: dict[str, list[list[float]]], most: int) -> dict[str, list[list[float]]]:
    """For each peer, a score for each split; `known` ones are not measured again."""
    table = quality_data.load(name)
    splits = next((count for rows, count in SEEDS if len(table.labels) <= rows), 1)
    result = dict(known)
    for split in range(min(splits, most)):
        train, test = splitting.stratified_split(table.labels, 0.25, 1000 + split)
        for peer, score in PEERS.items():
            if len(result.setdefault(peer, [])) <= split:
                result[peer].append(list(score(table, train, test)))
    return {peer: scores[: min(splits, most)] for peer, scores in result.items()}


def row(name: str, scores: dict[str, list[list[float]]]) -> dict[str, object]:
    means = {peer: np.mean(each, axis=0) for peer, each in scores.items()}
    ours, better = means["neurona"], min(("logistic", "mlp"), key=lambda peer: means[peer][0])
    return {
        "name": name,
        "splits": len(scores["neurona"]),
        "loss": ours[0],
        "peer": better,
        "peer_loss": means[better][0],
        "ratio": ours[0] / means[better][0],
        "accuracy": ours[1],
        "peer_accuracy": max(means["logistic"][1], means["mlp"][1]),
        "seconds": ours[2],
        "logistic_seconds": means["logistic"][2],
        "mlp_seconds": means["mlp"][2],
    }


def line(r: dict[str, object]) -> str:
    return (
        f"| {r['name']} | {r['splits']} | {r['loss']:.4f} | {r['peer_loss']:.4f} {r['peer']} | {r['ratio']:.3f}"
        f" | {100 * r['accuracy']:.1f} | {100 * r['peer_accuracy']:.1f}"
        f" | {r['seconds']:.2f} | {r['logistic_seconds']:.2f} | {r['mlp_seconds']:.2f} |"
    )


def summary(rows: list[dict[str, object]]) -> str:
    ratios = np.array([r["ratio"] for r in rows])
    behind = np.array([r["peer_accuracy"] - r["accuracy"] for r in rows])
    seconds = (sum(r[key] for r in rows) for key in ("seconds", "logistic_seconds", "mlp_seconds"))
    return (
        f"{len(rows)} tables. Log loss: at most the better peer's on {np.sum(ratios <= 1)}, more than 5 % worse on"
        f" {np.sum(ratios > 1.05)}, worst ratio {ratios.max():.3f}, geometric mean"
        f" {np.exp(np.log(ratios).mean()):.3f}. Accuracy: within half a point of the better one's on"
        f" {np.sum(behind <= 0.005)}, worst {100 * behind.max():.1f} points behind. Seconds, one split of each:"
        f" {', '.join(f'{each:.0f}' for each in seconds)}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("choose", "report", "all"), default="report")
    parser.add_argument("--tables", default="")
    parser.add_argument("--splits", type=int, default=99, help="at most so many of each table")
    parser.add_argument(
        "--peers", type=Path, help="a file in which the peers' scores are kept for the next run"
    )
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = json.loads(asked.peers.read_text()) if asked.peers and asked.peers.exists() else {}
    chosen = [
        name for name in quality_data.names(asked.part) if name in asked.tables.split(",") or not asked.tables
    ]
    print("| table | splits | log loss | better peer | ratio | accuracy | peers' best | s | LR s | MLP s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name in chosen:
        scores = measure(name, kept.get(name, {}), asked.splits)
        rows.append(row(name, scores))
        print(line(rows[-1]), flush=True)
        if asked.peers:
            known = {peer: each for peer, each in scores.items() if peer != "neurona"}
            if len(known["mlp"]) >= len(kept.get(name, {}).get("mlp", [])):
                kept[name] = known
            asked.peers.write_text(json.dumps(kept))
    print()
    print(summary(rows))


if __name__ == "__main__":
    main()
