import numpy as np
import pytest
from numpy.typing import NDArray

from shards.synthetic.rasterise import fill_glass, fill_triangles

SIZE = 24


def draw(
    screen: NDArray[np.float64], triangles: NDArray[np.int32], light: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw white triangles and return the picture and the depth."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    depth = np.full((SIZE, SIZE), -1e9, np.float32)
    texture = np.ones((len(screen), 2), np.float32)
    white = np.full((4, 4, 3), 255, np.uint8)
    gloss = np.zeros(len(screen), np.float32)
    fill_triangles(
        screen.astype(np.float32),
        triangles,
        texture,
        triangles,
        light.astype(np.float32),
        gloss,
        white,
        depth,
        image,
    )
    return image, depth


def test_triangle_covers_the_pixels_whose_centres_lie_inside() -> None:
    screen = np.array([[2.3, 3.1, -5], [4.9, 20.2, -5], [19.7, 8.4, -5]])
    image, _ = draw(screen, np.array([[0, 1, 2]], np.int32), np.ones((3, 3)))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    inside = np.ones((SIZE, SIZE), bool)
    for i in range(3):
        (ax, ay), (bx, by) = screen[i, :2], screen[(i + 1) % 3, :2]
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) <= 0
    np.testing.assert_array_equal(image[..., 0] > 0, inside)


def test_triangle_that_faces_away_is_not_drawn() -> None:
    screen = np.array([[2, 3, -5], [19, 8, -5], [4, 20, -5]])
    image, _ = draw(screen, np.array([[0, 1, 2]], np.int32), np.ones((3, 3)))
    assert not image.any()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nearer_triangle_hides_the_farther_in_any_order(order: tuple[int, int]) -> None:
    near = np.array([[2, 3, -4], [4, 20, -4], [19, 8, -4]])
    screen = np.concatenate([near, near - (0, 0, 3)])
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)[list(order)]
    light = np.concatenate([np.full((3, 3), 0.9), np.full((3, 3), 0.2)])
    image, depth = draw(screen, triangles, light)
    assert image[10, 8, 0] == 229
    assert depth[10, 8] == pytest.approx(-4)


def test_light_is_interpolated_and_clipped() -> None:
    screen = np.array([[0, 0, -5], [0, 24, -5], [24, 0, -5]])
    light = np.array([[0.0] * 3, [0.0] * 3, [1.0] * 3])
    image, _ = draw(screen, np.array([[0, 1, 2]], np.int32), light)
    np.testing.assert_allclose(image[0, :23, 1], 255 * (np.arange(23) + 0.5) / 24, atol=1.0)
    bright, _ = draw(screen, np.array([[0, 1, 2]], np.int32), 9 * light + 1)
    assert bright[0, 10].tolist() == [255, 255, 255]


def test_glass_lets_light_through_and_adds_its_own_only_where_nothing_is_before_it() -> None:
    screen = np.array([[0, 0, -5], [0, 24, -5], [24, 0, -5]], np.float32)
    image, depth = np.full((SIZE, SIZE, 3), 100, np.uint8), np.full((SIZE, SIZE), -9.0, np.float32)
    depth[:3] = -1.0
    fill_glass(screen, np.array([[0, 1, 2]], np.int32), np.full(3, 30, np.float32), 0.5, depth, image)
    assert image[2, 2].tolist() == [100, 100, 100]
    np.testing.assert_allclose(image[5, 5], 80, atol=1)
    assert image[23, 23].tolist() == [100, 100, 100]
    assert depth[5, 5] == -9.0
