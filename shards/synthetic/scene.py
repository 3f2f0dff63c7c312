"""Where and how a video is taken: camera, light, background and the movement of the head.

Legend: T frames, H x W pixels, D = 3 (x to the person's left, y up, z to the camera), C = 3 colours.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.camera import PLAIN_CAMERA, Camera, draw_camera
from shards.synthetic.gestures import draw_gestures
from shards.synthetic.occluder import Occluder, draw_occluder

THINGS_BEHIND = {"room": (2, 6), "wall": (0, 0), "stripes": (5, 11), "lights": (8, 19)}
SHADOW_SHARE = 0.35
NO_SHADOW = (1.0, 0.0, 0.0, 0.1, 0.0)

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """One video's surroundings. Lengths in decimetres; light colours are factors around 1.

    `shadow` is a soft edge of shade over the picture: direction (x, y), place along it from the middle and
    softness (both in picture shares), and how dark it is (0-1).
    """

    camera_distance: float
    face_height: float
    centre_x: float
    centre_y: float
    light_D: Float32
    light_C: Float32
    ambient_C: Float32
    gloss: float
    background_HWC: NDArray[np.uint8]
    rotation_TD: Float32
    drift_TD: Float32
    shadow: tuple[float, float, float, float, float]
    camera: Camera
    occluder: Occluder | None


def draw_scene(random: np.random.Generator, num_frames: int, fps: float, size: int) -> Scene:
    """Draw a scene for a square video of `size` pixels.

    `face_height` is how much of the picture the face (chin to hairline, about 1.9 dm) takes; `rotation_TD` is
    pitch, yaw and roll in radians, `drift_TD` a shift of the head in decimetres.
    """
    azimuth, height = random.uniform(-1.1, 1.1), random.uniform(0.1, 0.9)
    light = np.array([np.sin(azimuth), height, np.cos(azimuth)])
    warmth, sky_warmth = random.normal(0.0, 0.06), random.normal(0.0, 0.04)
    key = random.uniform(0.45, 0.85)
    frames = np.arange(num_frames) / fps
    rest = random.normal(0, (0.08, 0.16, 0.05))
    rotation = rest + np.stack(
        [smooth_motion(random, frames, spread) for spread in (0.06, 0.13, 0.045)], axis=1
    )
    background = draw_background(random, size)
    drift = np.stack([smooth_motion(random, frames, s) for s in (0.05, 0.035, 0.1)], axis=1)
    rotation += draw_gestures(random, frames)
    limit = np.array([0.3, 0.5, 0.22])
    return Scene(
        camera_distance=float(random.uniform(6.0, 14.0)),
        face_height=float(random.uniform(0.57, 0.67)),
        centre_x=float(random.normal(0.5, 0.02)),
        centre_y=float(random.normal(0.50, 0.015)),
        light_D=(light / np.linalg.norm(light)).astype(np.float32),
        light_C=(key * np.array([1 + warmth, 1.0, 1 - warmth])).astype(np.float32),
        ambient_C=((1.02 - key) * np.array([1 + sky_warmth, 1.0, 1 - sky_warmth])).astype(np.float32),
        gloss=float(random.uniform(8, 34)),
        background_HWC=background,
        rotation_TD=(np.tanh(rotation / limit) * limit).astype(np.float32),
        drift_TD=drift.astype(np.float32),
        shadow=_draw_shadow(random),
        camera=draw_camera(random),
        occluder=draw_occluder(random, frames),
    )


def plain(scene: Scene) -> Scene:
    """Return the scene as an ideal camera takes it: no noise, no cast shadow, and nothing before the face."""
    return replace(scene, shadow=NO_SHADOW, camera=PLAIN_CAMERA, occluder=None)


def _draw_shadow(random: np.random.Generator) -> tuple[float, float, float, float, float]:
    if random.random() >= SHADOW_SHARE:
        return NO_SHADOW
    turn = random.uniform(0, 2 * np.pi)
    return (
        float(np.cos(turn)), float(np.sin(turn)), float(random.normal(0, 0.12)),
        float(random.uniform(0.02, 0.12)), float(random.uniform(0.2, 0.5)),
    )  # fmt: skip


def smooth_motion(
    random: np.random.Generator, time_seconds_T: NDArray[np.floating], spread: float
) -> NDArray[np.float64]:
    """Return a slow random curve (T,) with about the given standard deviation: four waves of 0.05-0.6 Hz."""
    frequency, phase = random.uniform(0.05, 0.6, 4), random.uniform(0, 2 * np.pi, 4)
    weight = random.dirichlet(np.ones(4)) ** 0.5
    waves = np.sin(2 * np.pi * frequency * time_seconds_T[:, None] + phase) * weight
    return np.asarray(spread * np.sqrt(2) * waves.sum(axis=1))


def draw_background(random: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Return what is behind a person, (size, size, 3) uint8: a room, a wall, stripes or lights, blurred."""
    corners = random.uniform(30, 215, (2, 2, 1)) + random.normal(0, 18, (2, 2, 3))
    picture = cv2.resize(
        np.clip(corners, 0, 255).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR
    )
    kind = str(random.choice(list(THINGS_BEHIND), p=(0.55, 0.15, 0.15, 0.15)))
    for _ in range(
        int(random.integers(*{"room": (2, 7), "stripes": (5, 12), "lights": (8, 20)}.get(kind, (0, 1))))
    ):
        x, y = random.uniform(-0.2, 1.0, 2) * size
        width, height = random.uniform(0.1, 0.6, 2) * size
        tone = np.clip(random.uniform(20, 230) + random.normal(0, 25, 3), 0, 255).tolist()
        if kind == "lights":
            cv2.circle(picture, (int(x), int(y)), max(1, int(0.07 * width + 0.02 * size)), tone, -1)
            continue
        if kind == "stripes":
            y, width, height = -0.1 * size, 0.15 * width, 1.3 * size
        cv2.rectangle(picture, (int(x), int(y)), (int(x + width), int(y + height)), tone, -1)
    blurred = cv2.GaussianBlur(picture, (0, 0), float(random.uniform(0.01, 0.05)) * size)
    return np.asarray(np.clip(blurred + random.normal(0, 2.0, blurred.shape), 0, 255), dtype=np.uint8)
