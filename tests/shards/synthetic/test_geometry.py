import numpy as np
import pytest

from shards.synthetic.geometry import add_sparse, place_vertices, relief, vertex_normals


def test_sparse_targets_add_up() -> None:
    vertices = np.zeros((3, 3), np.float32)
    offsets, rows = np.array([0, 1, 3], np.int32), np.array([0, 0, 2], np.int32)
    delta = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    add_sparse(vertices, offsets, rows, delta, np.array([2.0, 0.5], np.float32))
    np.testing.assert_allclose(vertices, np.array([[2, 0.5, 0], [0, 0, 0], [0, 0, 0.5]]))


def test_followers_turn_about_the_pivot_and_others_stay() -> None:
    vertices = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    none, camera = np.zeros(3, np.float32), np.array([50, 50, 100, 10, 0], np.float32)
    turned, screen = np.zeros_like(vertices), np.zeros_like(vertices)
    follow = np.array([1, 0], np.float32)
    place_vertices(vertices, vertices, follow, quarter, none, none, camera, turned, screen)
    np.testing.assert_allclose(turned, [[0, 1, 0], [1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(screen, [[50, 40, -10], [60, 50, -10]], atol=1e-4)


def test_normals_areas_and_relief_of_a_pyramid() -> None:
    vertices = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 0.5]], np.float32)
    triangles = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)
    normals, area = np.zeros_like(vertices), np.zeros(5, np.float32)
    vertex_normals(vertices, triangles, normals, area)
    np.testing.assert_allclose(normals[4], [0, 0, 1], atol=1e-6)
    assert area[4] == pytest.approx(4 * np.sqrt(1.5), rel=1e-5)
    edges = np.array([[0, 4], [1, 4], [2, 4], [3, 4]], np.int32)
    depth = np.zeros(5, np.float32)
    relief(vertices, normals, edges, np.ones(5, np.float32), depth)
    assert depth[4] == pytest.approx(-2.0, rel=1e-5)
