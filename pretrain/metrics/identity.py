"""How well a linear classifier tells people from a frozen encoder's features, across videos.

It is fitted (ridge regression, a class per person) on each person's first video and scored on the others:
what carries over is the person, not the clip. A feature of behaviour should tell people badly.

Axes: F frames, D features, P people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pretrain.metrics.people import Floats, Interval, interval_over_people

STRENGTH = 1.0
"""Of the ridge, per standardised feature: neighbouring frames of one video say little new."""


@dataclass(frozen=True)
class IdentityScore:
    """Accuracy on the videos that were not fitted, per person."""

    accuracy_P: Floats

    @property
    def people(self) -> int:
        return len(self.accuracy_P)

    @property
    def chance(self) -> float:
        return 1.0 / self.people

    @property
    def value(self) -> float:
        """Mean over people."""
        return float(self.accuracy_P.mean())

    @property
    def interval(self) -> Interval:
        return interval_over_people(self.accuracy_P)


def tell_people(vectors_FD: Floats, person_F: Sequence[str], video_F: Sequence[str]) -> IdentityScore | None:
    """Fit on first videos, score on the others; None where fewer than two people have two videos."""
    # Two seconds that only this function needs.
    from sklearn.linear_model import RidgeClassifier

    people, videos = np.asarray(person_F), np.asarray(video_F)
    first = {p: sorted(set(videos[people == p]))[0] for p in sorted(set(person_F))}
    known = [p for p in first if len(set(videos[people == p])) > 1]
    if len(known) < 2:
        return None
    fitted_F = np.array([p in known and v == first[p] for p, v in zip(person_F, video_F, strict=True)])
    scored_F = np.array([p in known and v != first[p] for p, v in zip(person_F, video_F, strict=True)])
    mean_D, std_D = vectors_FD[fitted_F].mean(axis=0), vectors_FD[fitted_F].std(axis=0)
    inputs_FD = (vectors_FD - mean_D) / np.maximum(std_D, 1e-9)
    classifier = RidgeClassifier(alpha=STRENGTH * fitted_F.sum())
    classifier.fit(inputs_FD[fitted_F], people[fitted_F])
    right_F = classifier.predict(inputs_FD) == people
    return IdentityScore(np.array([right_F[scored_F & (people == p)].mean() for p in known], np.float64))
