"""Scores of one job: `result.json`, and the tested people's predictions as parquet.

`honest` is the number to quote: epoch and thresholds come from validation people. `best_on_test` picks both
on the tested people, as published numbers often do; it is an upper bound and is labelled so. Per-person
sums are kept, so that any score can be resampled over people later, paired between jobs.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from finetune.frames import FrameTable
from finetune.protocols.protocol import Kind
from finetune.protocols.registry import PROTOCOLS
from finetune.scored import Score, Sums, sums_of
from finetune.targets import Target
from finetune.tasks.outcome import Outcome
from pretrain.metrics.detection import DetectionSums, accuracy, auc, everything_present, f1
from pretrain.metrics.expression import (
    ExpressionSums,
    class_accuracy,
    class_f1,
    commonest,
    recall,
)
from pretrain.metrics.intensity import IntensitySums, ccc, icc, mae, mse, pcc
from pretrain.metrics.people import mean_over_aus

RESULT_NAME = "result.json"
RESULT_FORMAT = 2
PREDICTIONS_NAME = "test_predictions.parquet"
LABELLED_NAME = "labelled_frames.json"
DETECTION_SCORES: dict[str, Score] = {"f1": f1, "auc": auc, "accuracy": accuracy}
INTENSITY_SCORES: dict[str, Score] = {
    "icc": icc,
    "mae": mae,
    "mse": mse,
    "pcc": pcc,
    "ccc": ccc,
}

EXPRESSION_SCORES: dict[str, Score] = {"uar": recall, "accuracy": class_accuracy, "f1": class_f1}
"""Their means: UAR is the mean of the expressions' recalls, and accuracy is the same for each of them."""
SCORES: dict[Kind, dict[str, Score]] = {
    "detection": DETECTION_SCORES,
    "intensity": INTENSITY_SCORES,
    "expression": EXPRESSION_SCORES,
}
SUMS: dict[Kind, Callable[..., Sums]] = {
    "detection": DetectionSums,
    "intensity": IntensitySums,
    "expression": ExpressionSums,
}


def score_outcome(outcome: Outcome, target: Target) -> dict[str, Any]:
    """Scores of the validation and tested people, the rows to beat, and the sums per person."""
    honest = _sums(target, outcome.test, outcome.threshold_A)
    upper = _sums(target, outcome.best_on_test, outcome.best_on_test_threshold_A)
    rows: dict[str, Sums] = {"honest": honest, "best_on_test": upper}
    more: dict[str, Any] = {}
    if isinstance(honest, DetectionSums):
        assert outcome.threshold_A is not None
        half_A = np.full(len(target.aus), 0.5)
        rows["honest_threshold_half"] = _sums(target, outcome.test, half_A)
        rows["everything_present"] = everything_present(honest)
        more["thresholds"] = outcome.threshold_A.tolist()
    elif isinstance(honest, IntensitySums):
        mean_A = np.array(list(outcome.facts["labelled_mean"].values()))
        constant = replace(outcome.test, value_F=np.broadcast_to(mean_A, outcome.test.label_FA.shape))
        rows["labelled_mean"] = _sums(target, constant)
    else:
        shown_K = honest.confusion_PKK.sum(axis=(0, 2))
        more["not_shown"] = [
            name for name, shown in zip(target.expressions, shown_K, strict=True) if not shown
        ]
        rows["commonest"] = commonest(honest)
    names = target.expressions or target.aus
    return {
        **more,
        "test": {name: summary(sums, names) for name, sums in rows.items()},
        "validation": summary(_sums(target, outcome.validation, outcome.threshold_A), names),
        "per_person": dump_sums(honest),
    }


def summary(sums: Sums, names: Sequence[int] | Sequence[str]) -> dict[str, Any]:
    """Each score's mean, and its value for each AU (by number) or expression; None where it is undefined."""
    kind = _kind(sums)
    each = "per_expression" if kind == "expression" else "per_au"
    content: dict[str, Any] = {}
    for score_name, score in SCORES[kind].items():
        value_A = score(sums)
        named = zip(names, value_A, strict=True)
        content[score_name] = {
            "mean": _number(float(mean_over_aus(value_A))),
            each: {name if isinstance(name, str) else f"AU{name}": _number(float(v)) for name, v in named},
        }
    return content


def _kind(sums: Sums) -> Kind:
    if isinstance(sums, DetectionSums):
        return "detection"
    return "intensity" if isinstance(sums, IntensitySums) else "expression"


def dump_sums(sums: Sums) -> dict[str, Any]:
    """Sums per person as plain lists."""
    return {
        "kind": _kind(sums),
        **{name: value if name == "people" else value.tolist() for name, value in vars(sums).items()},
    }


def load_sums(content: dict[str, Any]) -> Sums:
    """What `dump_sums` wrote."""
    fields: dict[str, Any] = {
        name: value if name == "people" else np.asarray(value, np.float64)
        for name, value in content.items()
        if name != "kind"
    }
    return SUMS[content["kind"]](**fields)


def write_results(folder: Path, result: dict[str, Any], outcome: Outcome, target: Target) -> None:
    """Write `result.json` and the tested people's predictions, one row per frame."""
    facts = dict(result)
    labelled = outcome.facts.get("labelled_frames")
    if labelled is not None:
        content = {"columns": ["key", "frame_index"], "seed": result["seed"], "frames": labelled}
        (folder / LABELLED_NAME).write_text(json.dumps(content) + "\n")
    (folder / PREDICTIONS_NAME).write_bytes(_parquet(outcome.test, target))
    (folder / RESULT_NAME).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _parquet(table: FrameTable, target: Target) -> bytes:
    columns: dict[str, Any] = {
        "person": table.person_F,
        "key": table.key_F,
        "frame_index": table.frame_index_F,
        "time_seconds": table.time_seconds_F,
    }
    unit = "intensity_0_5" if target.kind == "intensity" else "probability"
    for column, name in enumerate(target.names):
        columns[f"{name}_{unit}"] = table.value_F[:, column]
        if target.kind != "expression":
            columns[f"{name}_label"] = table.label_FA[:, column]
    if target.kind == "expression":
        columns["expression"] = [target.names[place] for place in table.value_F.argmax(axis=1)]
        shown_F = table.label_FA[:, 0].tolist()
        columns["expression_label"] = [None if place < 0 else target.names[place] for place in shown_F]
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _sums(target: Target, table: FrameTable, threshold_A: NDArray[np.float64] | None = None) -> Sums:
    return sums_of(target.kind, table.value_F, table.label_FA, table.person_F, threshold_A)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def one_line(result: dict[str, Any]) -> str:
    """The score to quote, with its name, data and rows to beat."""
    test = result["test"]
    start = result["init"]["init"]
    tested = PROTOCOLS[result["protocol"]["name"]].people
    people = f"{len(result['people']['test'])} {tested} never seen"
    if result["kind"] == "intensity":
        scores, row = test["honest"], test["labelled_mean"]
        values = f"ICC {scores['icc']['mean']:.3f}, MAE {scores['mae']['mean']:.3f}"
        beat = f"the labelled mean: ICC {row['icc']['mean']:.3f}, MAE {row['mae']['mean']:.3f}"
    elif result["kind"] == "expression":
        scores, row = test["honest"], test["commonest"]
        values = f"UAR {scores['uar']['mean']:.3f}, accuracy {scores['accuracy']['mean']:.3f}"
        values += f" (nobody shows {', '.join(result['not_shown'])})" if result["not_shown"] else ""
        beat = f"the commonest: UAR {row['uar']['mean']:.3f}, accuracy {row['accuracy']['mean']:.3f}"
    else:
        scores, row = test["honest"], test["everything_present"]
        values = f"F1 {scores['f1']['mean']:.3f}, AUC {scores['auc']['mean']:.3f}"
        beat = f"everything present: F1 {row['f1']['mean']:.3f}"
    kind = " on generated faces" if result["data"]["generated"] else ""
    return f"{result['task']} from {start}: {values}{kind}, {people} ({beat}); {result['seconds']:.0f} s"
