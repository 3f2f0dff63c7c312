"""What a face crop looks like in 256 bits that recompression hardly changes.

The crop's luma is averaged in 16 x 16 blocks; a bit says whether its block is brighter than the median block.
Blurring, rescaling and another brightness or contrast keep that order, another face or pose does not.

Axes: H W pixels, B = 16 blocks along a side.
"""

import numpy as np
from numpy.typing import NDArray

BLOCKS = 16
LOOK_BITS = BLOCKS * BLOCKS
LOOK_BYTES = LOOK_BITS // 8


def look_of(luma_HW: NDArray[np.uint8]) -> bytes:
    """The look of a crop, `LOOK_BYTES` long: bits from left to right and top to bottom, highest bit first.

    A crop of one grey has no bit set.
    """
    height, width = luma_HW.shape
    # All values are whole numbers below 2**53: the sums are exact on every machine, in any order.
    block_BB = _shares(height) @ luma_HW.astype(np.float64) @ _shares(width).T
    return np.packbits(block_BB > np.median(block_BB)).tobytes()


def _shares(length: int) -> NDArray[np.float64]:
    """(B, length) how much of each pixel lies in each block, in 16ths of a pixel."""
    pixel = np.arange(length) * BLOCKS
    block_B1 = np.arange(BLOCKS)[:, None] * length
    shared = np.minimum(pixel + BLOCKS, block_B1 + length) - np.maximum(pixel, block_B1)
    return shared.clip(0).astype(np.float64)
