"""Audit: scores with and without calibration on each person's neutral frames, on finished jobs' predictions.

This project's definition. A person's offset for an AU is the median prediction over the person's neutral
frames less the median of these medians over the tested people; it is subtracted from all of the person's
predictions. So what is common to all people stays, and with it the meaning of thresholds. Probabilities are
shifted as logits, intensities as they are and clipped to 0..5.

Neutral frames are chosen in one of two ways:

    first     the first seconds of each of the person's tracks: nothing is known of the labels, as in use
    labelled  frames on which every coded AU is absent, at most `MOST_LABELLED` a person, evenly spread: an
              upper bound, as labels of tested people enter

They count neither with nor without calibration, so that both are scored on equal frames. People without
neutral frames stay as they are, and are counted.

Axes: F frames, A AUs, P people.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.arms import HEADLINES, only_arm
from finetune.audits.result import Audit, Number
from finetune.predictions import Predictions, read_predictions, track_of
from finetune.results import SCORES
from finetune.scored import Sums, difference, score_folds
from pretrain.config import ConfigError
from pretrain.metrics.intensity import MAX_INTENSITY
from pretrain.metrics.people import Floats

Rule = Literal["first", "labelled"]
MOST_LABELLED = 20
LARGEST_LOGIT = 12.0
"""Probabilities beyond it have rounded to 0 or 1."""


def audit_neutral(jobs: Sequence[tuple[Path, dict[str, Any]]], rule: Rule, seconds: float) -> Audit:
    """Score jobs that differ in seed and fold alone, with and without calibration.

    Args:
        jobs: folder and result of each.
        rule: how neutral frames are chosen.
        seconds: of each track, where `rule` is `first`.

    Raises:
        ConfigError: the jobs are of several arms, or one has no predictions.
    """
    arm = only_arm([result for _, result in jobs])
    kind = arm.kind
    plain: dict[int, list[Sums]] = {}
    calibrated: dict[int, list[Sums]] = {}
    without, used = 0, 0
    # By seed within a fold, as arms have them: the draws of both rows are then the same.
    for folder, result in sorted(jobs, key=lambda job: (job[1]["protocol"]["fold"], job[1]["seed"])):
        frames = read_predictions(folder, result)
        neutral_F = neutral_frames(frames, rule, seconds)
        shifted_FA = calibrate(frames, neutral_F)
        scored = replace(frames, label_FA=np.where(neutral_F[:, None], -1, frames.label_FA).astype(np.int8))
        threshold_A = np.array(result["thresholds"]) if kind == "detection" else None
        fold = int(result["protocol"]["fold"])
        plain.setdefault(fold, []).append(scored.sums(frames.value_FA, threshold_A))
        calibrated.setdefault(fold, []).append(scored.sums(shifted_FA, threshold_A))
        people = np.asarray(frames.person_F)
        without += len(set(people) - set(people[neutral_F]))
        used += int(neutral_F.sum())
    numbers: list[Number] = []
    verdicts = []
    for name in HEADLINES[kind]:
        before, after = (score_folds(SCORES[kind][name], sums) for sums in (plain, calibrated))
        change = difference(after, before)
        numbers += [
            Number(f"{name}, as predicted", before.mean, before.mean_interval),
            Number(f"{name}, calibrated", after.mean, after.mean_interval),
            Number(f"{name}, calibrated minus as predicted", *change),
        ]
        known = "changes" if change[1].low * change[1].high > 0 else "is not shown to change"
        verdicts.append(f"{name.upper()} {known} by calibration: {numbers[-1].text}")
    chosen = (
        f"the first {seconds:g} s of each track"
        if rule == "first"
        else "frames labelled neutral (upper bound)"
    )
    return Audit(
        kind="neutral",
        about=(
            f"{arm.name} ({kind}): each person's predictions less what the person's neutral frames have "
            f"more than other people's; neutral frames are {chosen}, and count in neither score."
        ),
        numbers=(
            *numbers,
            Number("neutral frames, over all jobs", float(used)),
            Number("people without one, over all jobs", float(without)),
        ),
        lines=(),
        verdict=f"{'; '.join(verdicts)}.",
    )


def neutral_frames(frames: Predictions, rule: Rule, seconds: float) -> NDArray[np.bool_]:
    """Which frames a person is calibrated on `(F,)`."""
    chosen_F = np.zeros(len(frames.key_F), np.bool_)
    if rule == "first":
        track_F = np.array([track_of(key) for key in frames.key_F])
        for track in np.unique(track_F):
            mine = np.flatnonzero(track_F == track)
            start = frames.time_seconds_F[mine].min()
            chosen_F[mine[frames.time_seconds_F[mine] < start + seconds]] = True
        return chosen_F
    absent_F = (frames.label_FA <= 0).all(axis=1) & (frames.label_FA == 0).any(axis=1)
    for person in sorted(set(frames.person_F)):
        mine = np.flatnonzero(absent_F & (np.asarray(frames.person_F) == person))
        spread = np.linspace(0, len(mine) - 1, min(len(mine), MOST_LABELLED)).round().astype(int)
        chosen_F[mine[spread]] = True
    return chosen_F


def calibrate(frames: Predictions, neutral_F: NDArray[np.bool_]) -> Floats:
    """Predictions less each person's offset `(F, A)`."""
    value_FA = _to_line(frames)
    person_F = np.asarray(frames.person_F)
    median_PA = {
        str(person): np.median(value_FA[neutral_F & (person_F == person)], axis=0)
        for person in np.unique(person_F[neutral_F])
    }
    if not median_PA:
        raise ConfigError(
            "no tested frame is neutral, so there is nothing to calibrate on; choose another rule"
        )
    common_A = np.median(list(median_PA.values()), axis=0)
    for person, median_A in median_PA.items():
        value_FA[person_F == person] -= median_A - common_A
    if frames.kind == "detection":
        return np.asarray(1.0 / (1.0 + np.exp(-value_FA)))
    return value_FA.clip(0.0, MAX_INTENSITY)


def _to_line(frames: Predictions) -> Floats:
    """Values that can be shifted: logits of probabilities, intensities as they are; a copy."""
    value_FA = frames.value_FA.astype(np.float64)
    if frames.kind != "detection":
        return value_FA
    smallest = 1.0 / (1.0 + np.exp(LARGEST_LOGIT))
    value_FA = value_FA.clip(smallest, 1.0 - smallest)
    return np.log(value_FA / (1.0 - value_FA))
