"""From expression coefficients and a pose to a picture.

Legend: V vertices, T triangles, K expression units, D = 3, H x W pixels, C = 3 colours.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.appearance import atlas_scale
from shards.synthetic.head import load_head
from shards.synthetic.person import Person
from shards.synthetic.rasterise import fill_triangles, place_vertices, relief, shade_vertices, vertex_normals
from shards.synthetic.scene import Scene

SUPERSAMPLING = 2
FACE_HEIGHT_DECIMETRES = 1.9  # chin to hairline of the template
FACE_MIDDLE_Y = -0.17
NECK_PIVOT_D = (0.0, -1.15, -1.1)
NECK_LOW_Y, NECK_HIGH_Y = -1.75, -0.95

Float32 = NDArray[np.float32]


class Renderer:
    """Draws one person in one scene at `size` pixels; a frame costs a few milliseconds."""

    def __init__(self, person: Person, scene: Scene, size: int) -> None:
        head = load_head()
        self._head, self._person, self._scene, self._size = head, person, scene, size
        self._texture_U2 = (head.texture_U2 * np.float32(atlas_scale())).astype(np.float32)
        num = len(head.vertices_VD)
        pixels = size * SUPERSAMPLING
        self._vertices_VD, self._normals_VD = np.zeros((num, 3), np.float32), np.zeros((num, 3), np.float32)
        self._posed_VD, self._screen_VD = np.zeros((num, 3), np.float32), np.zeros((num, 3), np.float32)
        self._light_VC, self._gloss_V = np.zeros((num, 3), np.float32), np.zeros(num, np.float32)
        self._area_V, self._relief_V = np.zeros(num, np.float32), np.zeros(num, np.float32)
        self._neutral_area_V = np.zeros(num, np.float32)
        self._depth_HW = np.zeros((pixels, pixels), np.float32)
        self._image_HWC = np.zeros((pixels, pixels, 3), np.uint8)
        self._backdrop_HWC = cv2.resize(
            scene.background_HWC, (pixels, pixels), interpolation=cv2.INTER_NEAREST
        )
        vertex_normals(person.neutral_VD, head.triangles_T3, self._normals_VD, self._neutral_area_V)

    def render(self, coefficients_K: Float32, rotation_D: Float32, drift_D: Float32) -> NDArray[np.uint8]:
        """Return a new (size, size, 3) uint8 RGB picture.

        Args:
            coefficients_K: of the head's expression units, usually 0 to 1.
            rotation_D: pitch, yaw and roll of the head in radians.
            drift_D: shift of the head in decimetres.
        """
        head, scene = self._head, self._scene
        self._vertices_VD[:] = self._person.neutral_VD
        head.expressions.add(self._vertices_VD, coefficients_K)
        vertex_normals(self._vertices_VD, head.triangles_T3, self._normals_VD, self._area_V)
        relief(self._vertices_VD, self._normals_VD, _edges(), _edge_scale(), self._relief_V)
        pixels = self._size * SUPERSAMPLING
        focal = pixels * scene.face_height / FACE_HEIGHT_DECIMETRES * scene.camera_distance
        place_vertices(
            self._vertices_VD, self._normals_VD, _neck_weight(),
            rotation_matrix(rotation_D), drift_D, np.array(NECK_PIVOT_D, np.float32),
            np.array([scene.centre_x * pixels, scene.centre_y * pixels, focal, scene.camera_distance,
                      FACE_MIDDLE_Y], np.float32),
            self._posed_VD, self._screen_VD,
        )  # fmt: skip
        shade_vertices(
            self._posed_VD, self._relief_V, self._area_V, self._neutral_area_V, _shine(), _occlusion(),
            scene.light_D, scene.light_C, scene.ambient_C, scene.gloss, self._light_VC, self._gloss_V,
        )  # fmt: skip
        self._depth_HW.fill(-1e9)
        np.copyto(self._image_HWC, self._backdrop_HWC)
        fill_triangles(
            self._screen_VD, head.triangles_T3, self._texture_U2, head.texture_triangles_T3,
            self._light_VC, self._gloss_V, self._person.atlas_SSC, self._depth_HW, self._image_HWC,
        )  # fmt: skip
        return np.asarray(
            cv2.resize(self._image_HWC, (self._size, self._size), interpolation=cv2.INTER_AREA), np.uint8
        )


def rotation_matrix(rotation_D: Float32) -> Float32:
    """Return roll * yaw * pitch (3, 3), angles in radians; positive yaw turns to the person's left."""
    pitch, yaw, roll = (float(angle) for angle in rotation_D)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, dtype=np.float32)


@cache
def _neck_weight() -> Float32:
    """How much each vertex follows the head: 0 at the shoulders, 1 from the jaw up."""
    height = load_head().vertices_VD[:, 1]
    t = np.clip((height - NECK_LOW_Y) / (NECK_HIGH_Y - NECK_LOW_Y), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


@cache
def _edges() -> NDArray[np.int32]:
    triangles = load_head().triangles_T3
    pairs = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    return np.ascontiguousarray(np.unique(pairs, axis=0).astype(np.int32))


@cache
def _edge_scale() -> Float32:
    """One over the sum of the template's edge lengths at each vertex, so that relief has no unit."""
    vertices, edges = load_head().vertices_VD, _edges()
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    total = np.bincount(edges.ravel(), np.repeat(length, 2), minlength=len(vertices))
    return np.asarray(1.0 / np.maximum(total, 1e-6), dtype=np.float32)


@cache
def _shine() -> Float32:
    """How much of the scene's gloss a vertex shows: eyes and lips more, cloth and hair little."""
    head = load_head()
    shine = np.full(len(head.vertices_VD), 1.0, np.float32)
    for part, amount in (("cloth", 0.15), ("mouth", 0.3), ("upper_teeth", 1.2), ("lower_teeth", 1.0)):
        shine[head.vertices_of(part)] = amount
    shine[head.vertices_VD[:, 1] > 0.8] *= 0.5
    return shine


@cache
def _occlusion() -> Float32:
    """Standing shade (0-1): under the upper lid on the eyeball, inside the mouth, below the chin."""
    head = load_head()
    _, y, z = head.vertices_VD.T
    shade = np.ones(len(head.vertices_VD), np.float32)
    below_chin = np.clip((-0.95 - y) / 0.25, 0, 1) * np.clip((0.25 - z) / 0.3, 0, 1)
    shade -= (0.4 * below_chin).astype(np.float32)
    shade[head.vertices_of("upper_teeth", "lower_teeth", "mouth", "tongue")] = 0.6
    eyes = head.vertices_of("eye_left", "eye_right")
    shade[eyes] = 0.95 - 0.45 * np.clip((y[eyes] - 0.02) / 0.06, 0, 1)
    return shade
