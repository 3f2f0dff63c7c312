"""Predicted and true intensity over time, and which tested videos stand for good, middling and bad.

Axes: T frames of a video, A AUs.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ACTIVE_AUS = 4
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """One tested video. Keys and frame indexes say where its pictures are."""

    person: str
    correlation: float
    """Mean Pearson correlation over the AUs that move in the video."""
    aus: tuple[int, ...]
    time_seconds_T: Floats
    key_T: list[str]
    frame_index_T: list[int]
    true_TA: Floats
    """NaN where nobody coded the frame."""
    predicted_TA: Floats


@dataclass(frozen=True)
class Examples:
    """The best, the median and the worst video by correlation, of `videos`."""

    aus: tuple[int, ...]
    videos: int
    best: Timeline
    median: Timeline
    worst: Timeline


def most_active(table: pd.DataFrame, aus: list[int], count: int = ACTIVE_AUS) -> tuple[int, ...]:
    """The AUs with the greatest mean true intensity over all tested frames, in that order."""
    means = {au: float(_labels(table, au).mean(skipna=True)) for au in aus}
    return tuple(sorted(aus, key=lambda au: (-np.nan_to_num(means[au]), au))[:count])


def examples(parquet: bytes, aus: list[int]) -> Examples | None:
    """Choose by rule from a job's predictions; None where no video has an AU that moves."""
    table: pd.DataFrame = pd.read_parquet(io.BytesIO(parquet))
    chosen = most_active(table, aus)
    timelines = [_timeline(str(person), part, chosen) for person, part in table.groupby("person", sort=True)]
    ranked = sorted(
        (timeline for timeline in timelines if timeline.correlation == timeline.correlation),
        key=lambda timeline: (-timeline.correlation, timeline.person),
    )
    if not ranked:
        return None
    return Examples(chosen, len(ranked), ranked[0], ranked[len(ranked) // 2], ranked[-1])


def correlation(true_T: Floats, predicted_T: Floats) -> float:
    """Pearson's; NaN where the truth does not move, 0 where the prediction alone does not."""
    known = np.isfinite(true_T) & np.isfinite(predicted_T)
    true_T, predicted_T = true_T[known], predicted_T[known]
    if len(true_T) < 2 or true_T.std() == 0:
        return float("nan")
    if predicted_T.std() == 0:
        return 0.0
    return float(np.corrcoef(true_T, predicted_T)[0, 1])


def _labels(table: pd.DataFrame, au: int) -> Any:
    labels = table[f"AU{au}_label"].astype(np.float64)
    return labels.where(labels >= 0)


def _timeline(person: str, table: pd.DataFrame, aus: tuple[int, ...]) -> Timeline:
    ordered = table.sort_values("time_seconds", kind="stable")
    true_TA = np.stack([_labels(ordered, au).to_numpy() for au in aus], axis=1)
    predicted_TA = np.stack(
        [ordered[f"AU{au}_intensity_0_5"].to_numpy().astype(np.float64) for au in aus], axis=1
    )
    values = [correlation(true_TA[:, a], predicted_TA[:, a]) for a in range(len(aus))]
    defined = [value for value in values if value == value]
    return Timeline(
        person=person,
        correlation=float(np.mean(defined)) if defined else float("nan"),
        aus=aus,
        time_seconds_T=ordered["time_seconds"].to_numpy().astype(np.float64),
        key_T=ordered["key"].tolist(),
        frame_index_T=[int(index) for index in ordered["frame_index"]],
        true_TA=true_TA,
        predicted_TA=predicted_TA,
    )
