import numpy as np

from shards.synthetic import rebuild_head


def test_mesh_of_quads_is_read_by_group() -> None:
    corners = ("0 0", "1 0", "1 1", "0 1")
    lines = ["# a comment", *(f"v {xy} 0" for xy in corners), *(f"vt {xy}" for xy in corners), "g one"]
    text = "\n".join([*lines, "f 1/4 2/3 3/2 4/1"])
    vertices_VD, texture_U2, groups = rebuild_head.parse_mesh(text)
    assert vertices_VD.shape == (4, 3)
    assert texture_U2.shape == (4, 2)
    np.testing.assert_array_equal(groups["one"][0], [[0, 1, 2, 3]])
    np.testing.assert_array_equal(groups["one"][1], [[3, 2, 1, 0]])


def test_target_is_read_also_when_empty() -> None:
    rows, delta = rebuild_head.parse_target(b"# made by hand\n7 0 -.001 .5\n9 1 0 0\n")
    np.testing.assert_array_equal(rows, [7, 9])
    np.testing.assert_allclose(delta, np.array([[0, -0.001, 0.5], [1, 0, 0]]))
    rows, delta = rebuild_head.parse_target(b"# nothing\n")
    assert rows.shape == (0,)
    assert delta.shape == (0, 3)


def test_islands_join_what_shares_a_corner() -> None:
    corners = np.array([[0, 1, 2, 3], [3, 4, 5, 6], [7, 8, 9, 10]])
    np.testing.assert_array_equal(rebuild_head.islands(corners, 11), [0, 0, 7])


def test_packing_keeps_known_vertices_and_drops_still_ones() -> None:
    target = (np.array([4, 5, 6]), np.array([[0.002, 0, 0], [0.1, 0, 0], [0.0001, 0, 0]]))
    packed = rebuild_head.pack_targets({"a": target}, np.array([-1, -1, -1, -1, 0, -1, 1]), "x")
    np.testing.assert_array_equal(packed["x_rows_E"], [0])
    np.testing.assert_array_equal(packed["x_steps_ED"], [[2, 0, 0]])
    np.testing.assert_array_equal(packed["x_offsets"], [0, 1])


def test_enlarging_keeps_the_order_of_the_layout() -> None:
    line = np.linspace(0, 1, 200)
    enlarged = rebuild_head.enlarge_face(np.stack([line, line], axis=1), 0)
    assert (np.diff(enlarged) > 0).all()
