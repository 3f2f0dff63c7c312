"""Where and how a video is taken: camera, light, background and the movement of the head.

Legend: T frames, H x W pixels, D = 3 (x to the person's left, y up, z to the camera), C = 3 colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """One video's surroundings. Lengths in decimetres; light colours are factors around 1."""

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
    limit = np.array([0.3, 0.5, 0.22])
    return Scene(
        camera_distance=float(random.uniform(6.0, 14.0)),
        face_height=float(random.uniform(0.55, 0.66)),
        centre_x=float(random.normal(0.5, 0.02)),
        centre_y=float(random.normal(0.50, 0.015)),
        light_D=(light / np.linalg.norm(light)).astype(np.float32),
        light_C=(key * np.array([1 + warmth, 1.0, 1 - warmth])).astype(np.float32),
        ambient_C=((1.02 - key) * np.array([1 + sky_warmth, 1.0, 1 - sky_warmth])).astype(np.float32),
        gloss=float(random.uniform(8, 34)),
        background_HWC=draw_background(random, size),
        rotation_TD=(np.tanh(rotation / limit) * limit).astype(np.float32),
        drift_TD=np.stack([smooth_motion(random, frames, s) for s in (0.05, 0.035, 0.1)], axis=1).astype(
            np.float32
        ),
    )


def smooth_motion(
    random: np.random.Generator, time_seconds_T: NDArray[np.floating], spread: float
) -> NDArray[np.float64]:
    """Return a slow random curve (T,) with about the given standard deviation: four waves of 0.05-0.6 Hz."""
    frequency, phase = random.uniform(0.05, 0.6, 4), random.uniform(0, 2 * np.pi, 4)
    weight = random.dirichlet(np.ones(4)) ** 0.5
    waves = np.sin(2 * np.pi * frequency * time_seconds_T[:, None] + phase) * weight
    return np.asarray(spread * np.sqrt(2) * waves.sum(axis=1))


def draw_background(random: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Return a blurred room: a gradient with a few soft boxes, (size, size, 3) uint8."""
    corners = random.uniform(30, 215, (2, 2, 1)) + random.normal(0, 18, (2, 2, 3))
    picture = cv2.resize(
        np.clip(corners, 0, 255).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR
    )
    for _ in range(int(random.integers(2, 7))):
        x, y = random.uniform(-0.2, 1.0, 2) * size
        width, height = random.uniform(0.1, 0.6, 2) * size
        tone = np.clip(random.uniform(20, 230) + random.normal(0, 25, 3), 0, 255)
        cv2.rectangle(picture, (int(x), int(y)), (int(x + width), int(y + height)), tone.tolist(), -1)
    blurred = cv2.GaussianBlur(picture, (0, 0), float(random.uniform(0.01, 0.05)) * size)
    return np.asarray(np.clip(blurred + random.normal(0, 2.0, blurred.shape), 0, 255), dtype=np.uint8)
