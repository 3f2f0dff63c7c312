import numpy as np
import pytest

from shards.synthetic.action_units import UNIT_WEIGHTS
from shards.synthetic.correctives import MIDDLE, SIDED, Bump, corrective_targets
from shards.synthetic.head import load_head


def test_bump_is_largest_in_its_middle_and_turns() -> None:
    bump = Bump(0.1, 0.2, 0.2, 0.05, (0.0, 0.0, 1.0), angle=np.pi / 2)
    at = np.array([[0.1, 0.2, 0], [0.1, 0.4, 0], [0.3, 0.2, 0]], np.float32)
    np.testing.assert_allclose(bump.displacement(at)[:, 2], [1, np.exp(-0.5), np.exp(-8)], atol=1e-6)


def test_ridges_go_up_and_down() -> None:
    bump = Bump(0.0, 0.0, 9.0, 9.0, (0.0, 0.0, 1.0), wavelength=0.1)
    at = np.array([[0, 0, 0], [0.05, 0, 0], [0.1, 0, 0]], np.float32)
    np.testing.assert_allclose(bump.displacement(at)[:, 2], [1, -1, 1], atol=1e-3)


def test_sides_mirror_each_other_and_only_soft_parts_of_the_face_move() -> None:
    vertices = np.array(
        [[0.4, -0.27, 0.2], [-0.4, -0.27, 0.2], [0.4, -0.27, -0.9], [0.4, -0.27, 0.2]], np.float32
    )
    fields = corrective_targets(vertices, np.array([True, True, True, False]))
    assert len(fields) == len(MIDDLE) + 2 * len(SIDED)
    left, right = fields["cheekBulgeLeft"], fields["cheekBulgeRight"]
    np.testing.assert_allclose(left[0] * (-1, 1, 1), right[1], atol=1e-6)
    assert left[0, 2] > 0.03
    assert not left[2:].any()


@pytest.mark.parametrize("name", [*MIDDLE, *SIDED])
def test_every_corrective_is_used_and_moves_the_head(name: str) -> None:
    assert any(name in weights for weights in UNIT_WEIGHTS.values())
    expressions = load_head().expressions
    unit = expressions.names.index(name if name in MIDDLE else name + "Left")
    entries = slice(expressions.offsets[unit], expressions.offsets[unit + 1])
    assert np.abs(expressions.delta_ED[entries]).max() > 0.01
