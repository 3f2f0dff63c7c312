import numpy as np

from shards.synthetic.glasses import draw_glasses, glasses_pieces, lenses_of, reflection_of
from shards.synthetic.head import load_head

GLASSES = draw_glasses(np.random.default_rng(3))


def test_frame_has_rims_bridge_and_temples_before_the_eyes() -> None:
    pieces = glasses_pieces(GLASSES)
    assert len(pieces) == 5
    points = np.concatenate([piece.vertices_VD for piece in pieces])
    assert points[:, 2].max() < 0.45
    assert points[:, 2].min() < -0.6  # temples reach the ears
    np.testing.assert_allclose(points[:, 0].max(), -points[:, 0].min(), atol=0.05)


def test_lenses_stand_before_both_eyes() -> None:
    head = load_head()
    lenses = lenses_of(GLASSES, head, head.vertices_VD)
    assert lenses.triangles_T3.max() == len(lenses.vertices_VD) - 1
    eyes = head.vertices_VD[head.vertices_of("eye_left", "eye_right")]
    assert lenses.vertices_VD[:, 2].min() > eyes[:, 2].max() - 0.05


def test_reflection_is_light_and_runs_with_the_head() -> None:
    head = load_head()
    lenses = lenses_of(GLASSES, head, head.vertices_VD)
    straight, turned = reflection_of(lenses, 0.0, 0.0), reflection_of(lenses, 0.3, 0.0)
    assert 0 < straight.max() <= 2 * lenses.reflection
    assert np.abs(straight - turned).max() > 0.3 * lenses.reflection
