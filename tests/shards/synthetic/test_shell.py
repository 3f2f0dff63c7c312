import numpy as np

from shards.synthetic.appearance import HEAD_CENTRE_Z
from shards.synthetic.head import load_head
from shards.synthetic.shell import DIRECTIONS, ROWS, directions, shell_grid


def test_shell_lies_outside_the_skull() -> None:
    grid = shell_grid(np.full(DIRECTIONS, 0.5), 0.08, 0.5)
    assert grid.shape == (ROWS, DIRECTIONS, 3)
    head = load_head()
    x, y, z = head.vertices_VD[head.vertices_of("head")].T
    radius = np.hypot(x, z - HEAD_CENTRE_Z)
    for row in grid[ROWS // 2 :]:
        height, reach = row[0, 1], np.hypot(row[:, 0], row[:, 2] - HEAD_CENTRE_Z)
        near = np.abs(y - height) < 0.03
        at = np.interp(np.arctan2(x, z - HEAD_CENTRE_Z)[near], directions(), reach)
        assert (at > radius[near] - 0.01).all()


def test_shell_closes_at_the_crown_and_ends_where_asked() -> None:
    bottom = np.linspace(-1.0, 0.5, DIRECTIONS)
    grid = shell_grid(bottom, 0.1, 1.0)
    assert np.ptp(grid[0, :, 0]) < 1e-6
    np.testing.assert_allclose(grid[-1, :, 1], bottom)


def test_hanging_hair_does_not_follow_the_neck() -> None:
    straight, close = (shell_grid(np.full(DIRECTIONS, -1.0), 0.1, hang) for hang in (1.0, 0.0))
    side = DIRECTIONS * 3 // 4
    assert straight[-1, side, 0] > close[-1, side, 0] + 0.1
