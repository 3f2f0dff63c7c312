import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.pack.frames.small import LEAST_SIDE, padded, resized, small_size


@pytest.mark.parametrize("times", [2, 4, 6, 12])
def test_whole_blocks_are_averaged(times: int) -> None:
    picture = np.random.default_rng(times).integers(0, 256, (times * 9, times * 16), dtype=np.uint8)
    blocks = picture.reshape(9, times, 16, times).mean(axis=(1, 3))
    np.testing.assert_allclose(resized(picture, (16, 9)), blocks, atol=1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_any_size_to_any_other(height: int, width: int, new_height: int, new_width: int) -> None:
    flat = np.full((height, width), 77, np.uint8)
    small = resized(flat, (new_width, new_height))
    assert small.shape == (new_height, new_width)
    assert (small == 77).all()
    assert not np.shares_memory(small, flat)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(96, 640))
def test_a_small_picture_keeps_the_form(width: int, height: int, long_side: int) -> None:
    (small_width, small_height), scale = small_size(width, height, long_side, None)
    assert max(small_width, small_height) == min(long_side, max(width, height, LEAST_SIDE))
    assert abs(small_width - width * scale) <= 1
    assert abs(small_height - height * scale) <= 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 400), st.integers(1, 400))
def test_another_form_is_fitted_and_padded(width: int, height: int, rows: int, columns: int) -> None:
    size, scale = small_size(width, height, 320, (rows, columns))
    assert 1 <= size[0] <= columns
    assert 1 <= size[1] <= rows
    assert size == (columns, rows) or scale == min(rows / height, columns / width)
    small = padded(resized(np.full((height // 16 + 1, width // 16 + 1), 9, np.uint8), size), (rows, columns))
    assert small.shape == (rows, columns)
    assert (small == 9).sum() == size[0] * size[1]
