"""A first-in first-out store of momentum vectors with identity tags: CLP's memory, MoCo's queue.

Every rank holds the same memory: what is enqueued was gathered over ranks first.

Axes: K slots, N new vectors, D features.
"""

import torch
from torch import Tensor, nn

EMPTY = -1
"""Identity of a slot that was never filled; identities are non-negative."""


class Memory(nn.Module):
    """K slots. Reading hands out copies, since autograd must not see later writes."""

    vectors_KD: Tensor
    identity_K: Tensor
    cursor: Tensor

    def __init__(self, slots: int, dim: int) -> None:
        super().__init__()
        if slots < 1:
            raise ValueError(f"a memory needs at least one slot, found {slots}")
        self.register_buffer("vectors_KD", torch.zeros(slots, dim))
        self.register_buffer("identity_K", torch.full((slots,), EMPTY, dtype=torch.int64))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.int64))
        self._was_full = False

    @property
    def is_full(self) -> bool:
        """Whether every slot was filled at least once: slots fill in order, so the last one tells."""
        # Asked once per step; a full memory stays full, so the device is not asked again.
        self._was_full = self._was_full or bool(self.identity_K[-1] != EMPTY)
        return self._was_full

    def read(self) -> tuple[Tensor, Tensor]:
        """Vectors and identities of all slots."""
        return self.vectors_KD.clone(), self.identity_K.clone()

    @torch.no_grad()
    def enqueue(self, vectors_ND: Tensor, identity_N: Tensor) -> None:
        """Overwrite the oldest slots; of more vectors than slots the last ones stay."""
        slots = len(self.vectors_KD)
        places = (self.cursor + torch.arange(len(vectors_ND), device=self.cursor.device)) % slots
        places, vectors_ND, identity_N = (value[-slots:] for value in (places, vectors_ND, identity_N))
        self.vectors_KD[places] = vectors_ND.to(self.vectors_KD.dtype)
        self.identity_K[places] = identity_N
        self.cursor.copy_((places[-1] + 1) % slots if len(places) else self.cursor)


def planned_slots(steps: int, enqueued_per_step: int, most: int = 4096, share: float = 0.05) -> int:
    """Memory size for a run: full after `share` of the steps, `most` slots for long runs.

    Both parts of CLP's loss are then active for most of even a short run. This project's rule.
    """
    return max(enqueued_per_step, min(most, round(share * steps) * enqueued_per_step))
