"""How well a linear classifier tells people from a frozen encoder's features, across videos.

It is fitted on each person's first video and scored on the others: what carries over is the person, not the
clip. A feature of behaviour should tell people badly.

Axes: F frames, D features, P people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from finetune.neighbours import interval_over_people
from pretrain.metrics.people import Interval

STEPS = 100
WEIGHT_DECAY = 1e-3
Floats = NDArray[np.float64]


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
    people, videos = np.asarray(person_F), np.asarray(video_F)
    first = {p: sorted(set(videos[people == p]))[0] for p in sorted(set(person_F))}
    known = [p for p in first if len(set(videos[people == p])) > 1]
    if len(known) < 2:
        return None
    fitted_F = np.array([p in known and v == first[p] for p, v in zip(person_F, video_F, strict=True)])
    scored_F = np.array([p in known and v != first[p] for p, v in zip(person_F, video_F, strict=True)])
    mean_D, std_D = vectors_FD[fitted_F].mean(axis=0), vectors_FD[fitted_F].std(axis=0)
    inputs = torch.from_numpy((vectors_FD - mean_D) / np.maximum(std_D, 1e-9))
    target_F = torch.tensor([known.index(p) if p in known else 0 for p in person_F])
    weight_DP, bias_P = _fit(inputs[fitted_F], target_F[fitted_F], len(known))
    right_F = ((inputs @ weight_DP + bias_P).argmax(dim=1) == target_F).numpy()
    return IdentityScore(np.array([right_F[scored_F & (people == p)].mean() for p in known], np.float64))


def _fit(inputs_FD: torch.Tensor, target_F: torch.Tensor, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax regression by L-BFGS on all frames at once; deterministic."""
    weight_DP = torch.zeros(inputs_FD.shape[1], classes, dtype=inputs_FD.dtype, requires_grad=True)
    bias_P = torch.zeros(classes, dtype=inputs_FD.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight_DP, bias_P], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs_FD @ weight_DP + bias_P, target_F)
        value = value + WEIGHT_DECAY * weight_DP.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight_DP.detach(), bias_P.detach()
