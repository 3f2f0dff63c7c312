"""Memory for batches of frames, used again when nothing refers to it any more.

The system gives fresh memory page by page, on first touch, which costs as much as a fifth of the decoding.
"""

import math
import weakref
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class _Loan:
    """What an array, its views and tensors that share its memory refer to at last."""

    def __init__(self, block: NDArray[np.uint8]) -> None:
        self.__array_interface__ = block.__array_interface__


class Buffers:
    """Arrays from as many blocks of memory as were ever in use at once; safe to use from any thread."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[NDArray[np.uint8]]] = defaultdict(list)

    def array(self, shape: Sequence[int]) -> NDArray[np.uint8]:
        """An array whose content is whatever was there before.

        Its memory comes back when the array, all views of it and tensors that share it are gone.
        """
        free = self._free[math.prod(shape)]
        try:
            block = free.pop()
        except IndexError:
            block = np.empty(math.prod(shape), np.uint8)
        loan = _Loan(block)
        weakref.finalize(loan, free.append, block).atexit = False
        return np.asarray(loan).reshape(shape)
