"""256 bits of a crop: what changes them and what does not."""

import numpy as np
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from shards.look import BLOCKS, LOOK_BYTES, look_of
from tests.drawn_set import draw

small_crops = arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 100)
)


@given(arrays(np.uint8, (48, 32)))
def test_a_bit_is_a_block_brighter_than_the_median_block(luma_HW: NDArray[np.uint8]) -> None:
    block_BB = luma_HW.reshape(BLOCKS, 3, BLOCKS, 2).sum(axis=(1, 3), dtype=np.int64)
    wanted = (block_BB > np.median(block_BB)).ravel()
    bits = np.unpackbits(np.frombuffer(look_of(luma_HW), np.uint8))
    np.testing.assert_array_equal(bits, wanted)


@given(small_crops, st.integers(2, 4))
def test_size_brightness_and_contrast_do_not_matter(luma_HW: NDArray[np.uint8], times: int) -> None:
    look = look_of(luma_HW)
    assert len(look) == LOOK_BYTES
    assert look_of(luma_HW.repeat(times, axis=0).repeat(times, axis=1)) == look
    assert look_of(2 * luma_HW + 50) == look


def test_one_grey_has_no_bit() -> None:
    assert look_of(np.full((100, 100), 77, np.uint8)) == bytes(LOOK_BYTES)


def test_blocks_share_the_pixels_between_them() -> None:
    # 24 pixels on 16 blocks: a block is one pixel and the half of the next, or of the one before.
    luma_HW = np.zeros((24, 24), np.uint8)
    luma_HW[0, 1] = 255
    bits_BB = np.unpackbits(np.frombuffer(look_of(luma_HW), np.uint8)).reshape(BLOCKS, BLOCKS)
    assert np.argwhere(bits_BB).tolist() == [[0, 0], [0, 1]]


def test_other_pictures_have_other_looks() -> None:
    def look(person: int, frame: int) -> bytes:
        luma_HW1 = simplejpeg.decode_jpeg(draw(person, frame, 64), colorspace="GRAY")
        return look_of(luma_HW1[..., 0])

    assert len({look(person=1, frame=0), look(person=1, frame=9), look(person=2, frame=0)}) == 3
