"""Which tested frames a model reads best and worst, by rule, each with the timeline around it.

A frame's error is the mean absolute difference of prediction and label over its coded AUs: in units of
intensity, or of a probability. The worst frames are those with the greatest error, the best those with the
least among frames that show an AU, as a neutral face is easily read; one frame of a person.

Axes: F frames, T frames of a track, A AUs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.predictions import Predictions, track_of
from pretrain.metrics.people import Floats

SHOWN_FROM = {"detection": 1, "intensity": 2}
"""Label from which a frame shows an AU; the intensity as in DISFA's protocol."""
EACH = 4


@dataclass(frozen=True)
class Extreme:
    """One frame; `time_T` and what follows are of its track."""

    person: str
    key: str
    frame_index: int
    time_seconds: float
    error: float
    label: str
    """The AU that is charted: where the error is greatest in a bad frame, the label in a good one."""
    true: float
    predicted: float
    time_T: Floats
    true_T: Floats
    """NaN where nobody coded the frame."""
    predicted_T: Floats


@dataclass(frozen=True)
class Extremes:
    """Best and worst frames of a job, the most extreme first."""

    kind: str
    best: tuple[Extreme, ...]
    worst: tuple[Extreme, ...]


def extremes(frames: Predictions, each: int = EACH) -> Extremes | None:
    """Choose by the rule above; None where no frame is coded."""
    coded_FA = frames.label_FA >= 0
    error_FA = np.where(coded_FA, np.abs(frames.value_FA.astype(np.float64) - frames.label_FA), 0.0)
    error_F = error_FA.sum(axis=1) / np.maximum(coded_FA.sum(axis=1), 1)
    known_F = np.asarray(coded_FA.any(axis=1))
    if not known_F.any():
        return None
    showing_F = np.asarray((frames.label_FA >= SHOWN_FROM[frames.kind]).any(axis=1))
    best = _one_of_a_person(frames, error_F, showing_F, each)
    worst = _one_of_a_person(frames, -error_F, known_F, each)
    strongest = np.where(coded_FA, frames.label_FA, -1)
    return Extremes(
        frames.kind,
        tuple(_extreme(frames, f, float(error_F[f]), lambda f: int(strongest[f].argmax())) for f in best),
        tuple(_extreme(frames, f, float(error_F[f]), lambda f: int(error_FA[f].argmax())) for f in worst),
    )


def _one_of_a_person(
    frames: Predictions, rank_F: Floats, allowed_F: NDArray[np.bool_], each: int
) -> list[int]:
    """The frames of least rank, one of each person."""
    chosen: dict[str, int] = {}
    for frame in np.argsort(rank_F, kind="stable").tolist():
        if allowed_F[frame]:
            chosen.setdefault(frames.person_F[frame], frame)
    return list(chosen.values())[:each]


def _extreme(frames: Predictions, frame: int, error: float, choose: Callable[[int], int]) -> Extreme:
    au, track = choose(frame), track_of(frames.key_F[frame])
    person = frames.person_F[frame]
    mine = np.array(
        [
            place
            for place, key in enumerate(frames.key_F)
            if frames.person_F[place] == person and track_of(key) == track
        ]
    )
    mine = mine[np.argsort(frames.time_seconds_F[mine], kind="stable")]
    true_T = frames.label_FA[mine, au].astype(np.float64)
    return Extreme(
        person=person,
        key=frames.key_F[frame],
        frame_index=int(frames.frame_index_F[frame]),
        time_seconds=float(frames.time_seconds_F[frame]),
        error=error,
        label=frames.labels[au],
        true=float(frames.label_FA[frame, au]),
        predicted=float(frames.value_FA[frame, au]),
        time_T=frames.time_seconds_F[mine],
        true_T=np.where(true_T >= 0, true_T, np.nan),
        predicted_T=frames.value_FA[mine, au].astype(np.float64),
    )
