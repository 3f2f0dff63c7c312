"""From expression coefficients and a pose to a picture.

Legend: V vertices, T triangles, K expression units, D = 3, H x W pixels, C = 3 colours.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.appearance import atlas_scale
from shards.synthetic.camera import Exposure
from shards.synthetic.geometry import place_vertices, relief, shade_vertices, vertex_normals
from shards.synthetic.glasses import Lenses, reflection_of
from shards.synthetic.head import load_head
from shards.synthetic.occluder import lay_over, paint_sprite
from shards.synthetic.person import Person
from shards.synthetic.rasterise import fill_glass, fill_triangles
from shards.synthetic.scene import Scene

SUPERSAMPLING = 2
FACE_HEIGHT_DECIMETRES = 1.9  # chin to hairline of the template
FACE_MIDDLE_Y = -0.17
NECK_PIVOT_D = (0.0, -1.15, -1.1)
SHINE = {"cloth": 0.15, "mouth": 0.3, "upper_teeth": 1.2, "lower_teeth": 1.0, "lashes": 0.0}
GLASS_KEEPS = 0.94  # of the light from behind a lens
NECK_LOW_Y, NECK_HIGH_Y = -1.75, -0.95

Float32 = NDArray[np.float32]


class Renderer:
    """Draws one person in one scene at `size` pixels; a frame costs a few milliseconds."""

    def __init__(self, person: Person, scene: Scene, size: int) -> None:
        head, worn = load_head(), person.worn
        self._head, self._person, self._scene, self._size = head, person, scene, size
        self._next_frame = 0
        skin, num = len(head.vertices_VD), len(head.vertices_VD) + len(worn.vertices_VD)
        self._skin = slice(skin)
        offset = np.int32(len(head.texture_U2))
        self._texture_U2 = np.concatenate([head.texture_U2 * np.float32(atlas_scale()), worn.texture_V2])
        self._texture_triangles_T3 = np.concatenate([head.texture_triangles_T3, worn.triangles_T3 + offset])
        self._triangles_T3 = np.concatenate([head.triangles_T3, worn.triangles_T3 + np.int32(skin)])
        self._shine_V = np.concatenate([_shine(), worn.shine_V])
        self._occlusion_V = np.concatenate([_occlusion(), np.ones(len(worn.shine_V), np.float32)])
        self._follow_V = np.concatenate([_neck_weight(), np.ones(len(worn.shine_V), np.float32)])
        pixels = size * SUPERSAMPLING
        self._vertices_VD = np.concatenate([person.neutral_VD, worn.vertices_VD])
        self._normals_VD = np.concatenate([np.zeros((skin, 3), np.float32), worn.normals_VD])
        self._posed_VD, self._screen_VD = np.zeros((num, 3), np.float32), np.zeros((num, 3), np.float32)
        self._light_VC, self._gloss_V = np.zeros((num, 3), np.float32), np.zeros(num, np.float32)
        self._area_V, self._relief_V = np.ones(num, np.float32), np.zeros(num, np.float32)
        self._neutral_area_V = np.ones(num, np.float32)
        self._depth_HW = np.zeros((pixels, pixels), np.float32)
        self._image_HWC = np.zeros((pixels, pixels, 3), np.uint8)
        self._backdrop_HWC = cv2.resize(
            scene.background_HWC, (pixels, pixels), interpolation=cv2.INTER_NEAREST
        )
        self._exposure = Exposure(scene.camera, size)
        if scene.occluder:
            self._sprite_SSA = paint_sprite(scene.occluder, person.look.skin, person.look.hair, pixels)
        vertex_normals(
            person.neutral_VD,
            head.triangles_T3,
            self._normals_VD[self._skin],
            self._neutral_area_V[self._skin],
        )

    def render(
        self, coefficients_K: Float32, rotation_D: Float32, drift_D: Float32, frame: int | None = None
    ) -> NDArray[np.uint8]:
        """Return a new (size, size, 3) uint8 RGB picture.

        Args:
            coefficients_K: of the head's expression units, usually 0 to 1.
            rotation_D: pitch, yaw and roll of the head in radians.
            drift_D: shift of the head in decimetres.
            frame: number of the frame in the scene, on which noise and occluders depend; without it, the one
                after the frame drawn last, beginning with 0.
        """
        head, scene, pixels = self._head, self._scene, self._size * SUPERSAMPLING
        frame = self._next_frame if frame is None else frame
        self._next_frame = frame + 1
        skin_VD = self._vertices_VD[self._skin]
        skin_VD[:] = self._person.neutral_VD
        head.expressions.add(skin_VD, coefficients_K)
        normals_VD = self._normals_VD[self._skin]
        vertex_normals(skin_VD, head.triangles_T3, normals_VD, self._area_V[self._skin])
        relief(skin_VD, normals_VD, _edges(), _edge_scale(), self._relief_V[self._skin])
        pose = (
            rotation_matrix(rotation_D), drift_D, np.array(NECK_PIVOT_D, np.float32),
            np.array([scene.centre_x * pixels, scene.centre_y * pixels,
                      pixels * scene.face_height / FACE_HEIGHT_DECIMETRES * scene.camera_distance,
                      scene.camera_distance, FACE_MIDDLE_Y], np.float32),
        )  # fmt: skip
        place_vertices(
            self._vertices_VD, self._normals_VD, self._follow_V, *pose, self._posed_VD, self._screen_VD
        )
        shade_vertices(
            self._posed_VD, self._relief_V, self._area_V, self._neutral_area_V, self._shine_V,
            self._occlusion_V, scene.light_D, scene.light_C, scene.ambient_C, scene.gloss, self._screen_VD,
            _shadow_on_screen(scene.shadow, pixels), self._light_VC, self._gloss_V,
        )  # fmt: skip
        self._depth_HW.fill(-1e9)
        np.copyto(self._image_HWC, self._backdrop_HWC)
        fill_triangles(
            self._screen_VD, self._triangles_T3, self._texture_U2, self._texture_triangles_T3,
            self._light_VC, self._gloss_V, self._person.atlas_HWC, self._depth_HW, self._image_HWC,
        )  # fmt: skip
        if self._person.lenses:
            self._draw_lenses(self._person.lenses, rotation_D, pose)
        if scene.occluder and frame < len(scene.occluder.place_T2):
            lay_over(self._image_HWC, self._sprite_SSA, scene.occluder.place_T2[frame])
        picture = cv2.resize(self._image_HWC, (self._size, self._size), interpolation=cv2.INTER_AREA)
        return self._exposure.take(np.asarray(picture, np.uint8), frame)

    def _draw_lenses(
        self, lenses: Lenses, rotation_D: Float32, pose: tuple[Float32, Float32, Float32, Float32]
    ) -> None:
        count = len(lenses.vertices_VD)
        normals_VD, posed_VD, screen_VD = (np.zeros((count, 3), np.float32) for _ in range(3))
        place_vertices(lenses.vertices_VD, normals_VD, np.ones(count, np.float32), *pose, posed_VD, screen_VD)
        light_V = reflection_of(lenses, float(rotation_D[1]), float(rotation_D[0]))
        fill_glass(screen_VD, lenses.triangles_T3, light_V, GLASS_KEEPS, self._depth_HW, self._image_HWC)


def _shadow_on_screen(shadow: tuple[float, float, float, float, float], pixels: int) -> Float32:
    """Turn a scene's shadow from picture shares about the middle into pixels from the corner."""
    x, y, place, softness, darkness = shadow
    begin = (place + 0.5 * (x + y)) * pixels
    return np.array([x, y, begin, max(softness * pixels, 1.0), darkness], np.float32)


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
    for part, amount in (
        ("cloth", 0.15),
        ("mouth", 0.3),
        ("upper_teeth", 1.2),
        ("lower_teeth", 1.0),
        ("lashes", 0.0),
    ):
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
    shade[head.vertices_of("mouth", "tongue")] = 0.6
    shade[head.vertices_of("upper_teeth", "lower_teeth")] = 0.85
    eyes = head.vertices_of("eye_left", "eye_right")
    shade[eyes] = 0.95 - 0.45 * np.clip((y[eyes] - 0.02) / 0.06, 0, 1)
    return shade
