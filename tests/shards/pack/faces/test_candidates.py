from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards.pack.faces.candidates import merge
from shards.pack.faces.detect import YuNet
from tests.clips import face_frames


def row(x: float, score: float, landmark: float = 0.0, side: float = 20.0) -> list[float]:
    return [x, 5.0, side, side, *[landmark] * 10, score]


def rows(*content: list[float]) -> NDArray[np.float64]:
    return np.array(content, np.float64).reshape(-1, 15)


def test_landmarks_are_the_mean_by_score_and_the_box_the_best_one() -> None:
    [face] = merge(rows(row(11, 0.6, 9.0), row(10, 0.9, 3.0), row(9, 0.5, 6.0)))
    assert face[:4].tolist() == [10, 5, 20, 20]
    assert face[14] == 0.9
    np.testing.assert_allclose(face[4:14], (0.9 * 3 + 0.6 * 9 + 0.5 * 6) / 2.0)


def test_neighbours_stay_two_faces_and_what_lies_between_belongs_to_neither() -> None:
    between = row(8, 0.6, 50.0)  # overlaps both by 0.43: suppressed, but of another face or of none
    faces = merge(rows(row(0, 0.9, 1.0), row(16, 0.8, 2.0), between))
    assert faces[:, 0].tolist() == [0, 16]
    assert faces[:, 4].tolist() == [1.0, 2.0]


def test_no_rows_are_no_faces() -> None:
    assert merge(rows()).shape == (0, 15)


BOXES = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from([0.5, 0.7, 0.9]), st.integers(0, 5), st.integers(8, 30)),
    max_size=12,
)


@given(BOXES, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter(boxes: list[tuple[int, float, int, int]], random: Random) -> None:
    content = [row(x, score, landmark, side) for x, score, landmark, side in dict.fromkeys(boxes)]
    faces = merge(rows(*content))
    assert sorted(faces[:, 14], reverse=True) == faces[:, 14].tolist()
    shuffled = random.sample(content, len(content))
    # Boxes of one place and score differ in size or landmarks only, which no detector gives.
    if len({(x, score) for x, score, _, _ in boxes}) == len(set(boxes)):
        np.testing.assert_allclose(merge(rows(*shuffled)), faces, rtol=1e-12)


def test_landmarks_hardly_move_with_the_picture() -> None:
    detector, moved = YuNet(), []
    for frame_HWC in face_frames(120)[::3]:
        luma_HW = frame_HWC[..., 1].copy()
        here, there = (
            detector.detect(np.ascontiguousarray(np.roll(luma_HW, shift, axis=1)))[0].landmarks_52
            for shift in (0, 1)
        )
        moved.append(np.linalg.norm(there - [1, 0] - here, axis=1) / np.linalg.norm(here[0] - here[1]))
    # In eye distances, which are 20 pixels here; 0.055 by the best box alone, 0.039 by all boxes.
    assert np.median(moved) < 0.045
