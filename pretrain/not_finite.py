"""Steps whose loss or gradient is not finite: whose they are, and whether the run goes on.

The engines leave such a step's update out on all ranks, so that the weights stay good. Nothing here asks the
device before a log step.
"""

from typing import Literal

import torch
from torch import Tensor

from pretrain.errors import NotFiniteError
from pretrain.world import World

MOST_IN_A_ROW = 100
"""With `skip`, a run ends after so many steps in a row without an update."""

OnNotFinite = Literal["stop", "skip"]


class FiniteWatch:
    """Notes every step, and judges at log steps."""

    def __init__(self, world: World, on_not_finite: OnNotFinite) -> None:
        self._world, self._on_not_finite = world, on_not_finite
        self._noted: list[Tensor] = []
        self._in_a_row = 0

    def note(self, loss: Tensor, applied: Tensor) -> None:
        """One step: this rank's loss, and whether the update was made, which is equal on all ranks."""
        self._noted.append(torch.stack([loss.detach().isfinite(), applied]))

    def check(self, step: int) -> dict[str, float]:
        """The metrics of the steps noted since the last call, `step` being done now; a collective.

        Raises:
            NotFiniteError: an update was left out and the run is to stop, or too many were in a row.
        """
        noted_S2 = torch.stack(self._noted)
        self._noted = []
        first = step - len(noted_S2) + 1
        bad_RS = ~self._world.gather(noted_S2[None, :, 0].to(torch.uint8)).bool().cpu()
        left_out = [first + place for place, applied in enumerate(noted_S2[:, 1].tolist()) if not applied]
        for number in range(first, step + 1):
            self._in_a_row = self._in_a_row + 1 if number in left_out else 0
            if left_out and (self._on_not_finite == "stop" or self._in_a_row >= MOST_IN_A_ROW):
                self._stop(left_out, bad_RS, first)
        return {"optim/skipped_updates": float(len(left_out))}

    def _stop(self, left_out: list[int], bad_RS: Tensor, first: int) -> None:
        by_rank = [
            f"rank {rank} in {_steps([first + int(place) for place in bad_S.nonzero()])}"
            for rank, bad_S in enumerate(bad_RS)
            if bad_S.any()
        ]
        where = f"loss not finite on {', '.join(by_rank)}" if by_rank else "each rank's loss was finite"
        advice = (
            "run.on_not_finite=skip goes on without such steps"
            if self._on_not_finite == "stop"
            else f"that is {MOST_IN_A_ROW} updates in a row"
        )
        raise NotFiniteError(
            f"gradient not finite in {_steps(left_out)}; {where}. No such update was made and the last "
            f"checkpoint is good: {advice}; or start a new run with a lower optim.learning_rate"
        )


def _steps(numbers: list[int]) -> str:
    """`step 3` or `steps 3..5` or `steps 3, 7..9`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(low) if low == high else f"{low}..{high}" for low, high in runs]
    return f"step{'s' * (len(numbers) > 1)} {', '.join(words)}"
