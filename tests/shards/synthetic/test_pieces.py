import numpy as np

from shards.synthetic.head import load_head
from shards.synthetic.pieces import SWATCHES, fitted, grid_piece, tube_piece, wear

ACROSS, UP = np.meshgrid(np.linspace(-0.5, 0.5, 4), np.linspace(1, 0, 3))
SHEET = np.stack([ACROSS, UP, np.full_like(UP, 0.6)], axis=-1)


def test_grid_faces_forward_where_columns_run_right_and_rows_down() -> None:
    piece = grid_piece(SHEET, "hair", 0.5, two_sided=False)
    a, b, c = (piece.vertices_VD[piece.triangles_T3[:, corner]] for corner in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    both = grid_piece(SHEET, "hair", 0.5, two_sided=True)
    assert len(both.triangles_T3) == 2 * len(piece.triangles_T3)


def test_tube_has_the_asked_radius() -> None:
    path = np.stack([np.linspace(0, 1, 5), np.zeros(5), np.zeros(5)], axis=1)
    tube = tube_piece(path, 0.02, closed=False)
    np.testing.assert_allclose(np.hypot(tube.vertices_VD[:, 1], tube.vertices_VD[:, 2]), 0.02, atol=1e-4)


def test_pieces_follow_the_skin_near_them() -> None:
    head = load_head()
    place = np.array([[0.0, 0.6, 0.4]], np.float32)
    np.testing.assert_allclose(fitted(place, head, head.vertices_VD), place, atol=1e-6)
    moved = head.vertices_VD + np.float32(0.1)
    np.testing.assert_allclose(fitted(place, head, moved), place + 0.1, atol=1e-5)


def test_worn_pieces_make_one_mesh_and_none_an_empty_one() -> None:
    head = load_head()
    piece = grid_piece(SHEET, "cloth", 0.5, two_sided=True)
    worn = wear([piece, piece], head, head.vertices_VD, 512)
    assert len(worn.vertices_VD) == 2 * len(piece.vertices_VD)
    assert worn.triangles_T3.max() == len(worn.vertices_VD) - 1
    np.testing.assert_allclose(worn.normals_VD @ (0, 0, 1), 1, atol=1e-4)
    x, y, width, height = SWATCHES["cloth"]
    assert worn.texture_V2.min(axis=0).tolist() == [x, 512 + y]
    assert (worn.texture_V2.max(axis=0) < (x + width - 1, 512 + y + height - 1)).all()
    assert wear([], head, head.vertices_VD, 512).triangles_T3.shape == (0, 3)
