"""Audit: labels that look wrong, by confident learning (Northcutt et al. 2021, https://arxiv.org/abs/1911.00068).

For each AU, p(y | x) comes out of fold: a logistic regression on frozen features, fitted on other people.
With t_j = mean of p(j | x) over the frames labelled j (the paper's equation 2), a frame labelled i is counted
for class j where p(j | x) >= t_j, the likelier class where both are reached (equation 1); it is flagged where
that class is not i. Flags are ranked by the margin p(j | x) - p(i | x).

With planted flips the audit knows which labels are wrong, and says how many of them it flags (recall) and how
many of the flagged it planted (precision; real labels that are wrong too make it lower). A flip turns a coded
label into its opposite; AUs and frames are drawn evenly.

Axes: F frames, A AUs, D features, P people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.audits.result import Audit, Number
from pretrain.config import ConfigError
from pretrain.labels import LabelledFrames
from pretrain.metrics.people import DRAWS, Floats, percentile_interval, person_weights

FOLDS = 5
STRENGTH = 1e-3
"""Inverse of the regression's penalty, per standardised feature: neighbouring frames say little new.

With 3,072 features of 2,000 generated faces of 27 people and 10 % planted flips, 1e-5, 1e-4, 1e-3 and 1e-2
gave recalls of 0.51, 0.56, 0.59 and 0.65 and precisions of 0.15, 0.24, 0.27 and 0.25.
"""
ITERATIONS = 200
MOST_LINES = 40
Labels = NDArray[np.int8]


@dataclass(frozen=True)
class Suspicion:
    """Flags of labels, and how strong each is."""

    flagged_FA: NDArray[np.bool_]
    margin_FA: Floats
    """p of the other class minus p of the given one; NaN where nobody coded, or an AU has one class alone."""


def audit_label_noise(frames: LabelledFrames, feature_FD: Floats, planted: float, seed: int) -> Audit:
    """Flag labels of presence; with `planted` > 0 flip that share of them first.

    Args:
        frames: of training people, with 0, 1 or -1 for each AU.
        feature_FD: frozen features of the frames.
        planted: share of the coded labels that are flipped.
        seed: of the flips and the folds.

    Raises:
        ConfigError: the share is none, or fewer than `FOLDS` people are there.
    """
    people = frames.frames.person_F
    flips_FA = plant(frames.label_FA, planted, seed)
    label_FA = np.where(flips_FA, 1 - frames.label_FA, frames.label_FA).astype(np.int8)
    probability_FA = out_of_fold(feature_FD, label_FA, people, seed)
    found = suspicious(probability_FA, label_FA)
    coded = int((label_FA >= 0).sum())
    numbers = [Number("labels", float(coded)), Number("flagged", float(found.flagged_FA.sum()))]
    if planted:
        numbers += _rates(found.flagged_FA, flips_FA, people)
        numbers.append(
            Number("planted share, the precision of flags at random", float(flips_FA.sum() / coded))
        )
        recall, precision = numbers[2], numbers[3]
        verdict = (
            f"Of the planted flips {recall.value:.0%} were flagged; "
            f"of the flags {precision.value:.0%} were planted."
        )
        lines: tuple[str, ...] = ()
    else:
        lines = _lines(found, frames, label_FA)
        verdict = (
            f"{found.flagged_FA.sum() / coded:.1%} of the labels look wrong; the most suspicious are listed."
        )
    return Audit(
        kind="label_noise",
        about=(
            f"{len(label_FA)} frames of {len(set(people))} people, {coded} labels of {len(frames.aus)} AUs; "
            f"{f'{planted:.0%} of them flipped' if planted else 'as they are'}. Confident learning on linear "
            "probes of frozen features; each person's labels are judged by probes of other people."
        ),
        numbers=tuple(numbers),
        lines=lines,
        verdict=verdict,
    )


def plant(label_FA: Labels, share: float, seed: int) -> NDArray[np.bool_]:
    """Which of the coded labels to flip: `share` of them, drawn without replacement."""
    if not 0 <= share < 0.5:
        raise ConfigError(f"--plant {share}: wanted a share from 0 to below 0.5 of the labels")
    coded = np.flatnonzero(label_FA >= 0)
    chosen = np.random.default_rng(seed).choice(coded, size=round(share * len(coded)), replace=False)
    flips = np.zeros(label_FA.size, np.bool_)
    flips[chosen] = True
    return flips.reshape(label_FA.shape)


def out_of_fold(feature_FD: Floats, label_FA: Labels, person_F: Sequence[str], seed: int) -> Floats:
    """Probability of presence `(F, A)` by a probe of other people; NaN where there is none."""
    # Two seconds that only this function needs.
    from sklearn.linear_model import LogisticRegression

    names = sorted(set(person_F))
    if len(names) < FOLDS:
        raise ConfigError(
            f"{FOLDS} people or more are needed to judge labels by other people's, found {len(names)}"
        )
    order = np.random.default_rng([seed, FOLDS]).permutation(len(names))
    fold_of = {names[place]: number % FOLDS for number, place in enumerate(order)}
    fold_F = np.array([fold_of[person] for person in person_F])
    probability_FA = np.full(label_FA.shape, np.nan)
    for fold in range(FOLDS):
        fitted_F = fold_F != fold
        mean_D, std_D = feature_FD[fitted_F].mean(axis=0), feature_FD[fitted_F].std(axis=0)
        input_FD = (feature_FD - mean_D) / np.maximum(std_D, 1e-9)
        for au in range(label_FA.shape[1]):
            chosen_F = fitted_F & (label_FA[:, au] >= 0)
            if len(set(label_FA[chosen_F, au])) == 2:
                probe = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS)
                probe.fit(input_FD[chosen_F], label_FA[chosen_F, au])
                probability_FA[~fitted_F, au] = probe.predict_proba(input_FD[~fitted_F])[:, 1]
    return probability_FA


def suspicious(probability_FA: Floats, label_FA: Labels) -> Suspicion:
    """Flags by the confident joint of each AU; see the head of this file."""
    flagged_FA = np.zeros(label_FA.shape, np.bool_)
    margin_FA = np.full(label_FA.shape, np.nan)
    for au in range(label_FA.shape[1]):
        known = np.flatnonzero((label_FA[:, au] >= 0) & ~np.isnan(probability_FA[:, au]))
        given, p_F2 = label_FA[known, au].astype(int), probability_FA[known, au]
        if len(set(given)) < 2:
            continue
        p_F2 = np.stack([1 - p_F2, p_F2], axis=1)
        threshold_2 = np.array([p_F2[given == j, j].mean() for j in (0, 1)])
        reached_F2 = p_F2 >= threshold_2
        likely = np.where(reached_F2, p_F2, -1.0).argmax(axis=1)
        flagged_FA[known, au] = reached_F2.any(axis=1) & (likely != given)
        place = np.arange(len(known))
        margin_FA[known, au] = p_F2[place, 1 - given] - p_F2[place, given]
    return Suspicion(flagged_FA, margin_FA)


def _rates(
    flagged_FA: NDArray[np.bool_], flips_FA: NDArray[np.bool_], person_F: Sequence[str]
) -> list[Number]:
    """Recall and precision, with intervals over people."""
    names, index_F = np.unique(np.asarray(person_F), return_inverse=True)
    both, planted, flagged = (
        np.bincount(index_F, chosen.sum(axis=1), len(names)).astype(np.float64)
        for chosen in (flagged_FA & flips_FA, flips_FA, flagged_FA)
    )
    weight_RP = person_weights(len(names), DRAWS, 0)
    numbers = []
    for name, of in (("recall of planted flips", planted), ("precision of flags", flagged)):
        value = float(both.sum() / of.sum()) if of.sum() else float("nan")
        of_R = weight_RP @ of
        draws_R = np.where(of_R > 0, weight_RP @ both / np.maximum(of_R, 1), np.nan)
        numbers.append(Number(name, value, percentile_interval(draws_R)))
    return numbers


def _lines(found: Suspicion, frames: LabelledFrames, label_FA: Labels) -> tuple[str, ...]:
    """The most suspicious labels, one of an AU and video: neighbouring frames share their label's fault."""
    videos = frames.frames.video_F
    places = np.argwhere(found.flagged_FA)
    order = np.argsort(-found.margin_FA[places[:, 0], places[:, 1]], kind="stable")
    chosen: dict[tuple[str, int], str] = {}
    for frame, au in places[order].tolist():
        said = "present" if label_FA[frame, au] else "absent"
        chosen.setdefault(
            (videos[frame], au),
            f"{videos[frame]}, row {frames.frames.row_F[frame]}, frame {frames.frames.place_F[frame]}: "
            f"AU{frames.aus[au]} labelled {said}, margin {found.margin_FA[frame, au]:.2f}",
        )
    return tuple(list(chosen.values())[:MOST_LINES])
