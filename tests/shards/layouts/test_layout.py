import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.layouts.layout import Labels


@given(st.integers(0, 3), st.integers(1, 20), st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_rows_join_on_the_number(first: int, count: int, numbers: list[int]) -> None:
    labels_FA = np.arange(count, dtype=np.int8)[:, None]
    found_TA = Labels(first, None, labels_FA).rows(labels_FA, numbers)
    wanted = [number - first if first <= number < first + count else -1 for number in numbers]
    if set(wanted) == {-1}:
        assert found_TA is None
    else:
        assert found_TA is not None
        assert found_TA[:, 0].tolist() == wanted


def test_no_labels_at_all() -> None:
    assert Labels(0, None, None).rows(None, [0, 1]) is None
