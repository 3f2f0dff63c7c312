"""What a camera does to a picture: exposure, white balance, contrast, vignette, blur and noise.

Legend: H x W pixels, C = 3 colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Camera:
    """One camera's settings.

    Attributes:
        gain: factor for each colour: exposure and white balance.
        gamma: exponent of the tone curve; below 1 lifts shadows.
        vignette: how much darker the corners are, 0-1.
        blur: standard deviation relative to the picture's width.
        noise: standard deviation in grey levels.
        flicker: largest change of the exposure from frame to frame, 0-1.
        seed: of noise and flicker.
    """

    gain: tuple[float, float, float]
    gamma: float
    vignette: float
    blur: float
    noise: float
    flicker: float
    seed: int


PLAIN_CAMERA = Camera((1.0, 1.0, 1.0), 1.0, 0.0, 0.0, 0.0, 0.0, 0)


def draw_camera(random: np.random.Generator) -> Camera:
    """Draw a camera: most are ordinary, a few blurred, noisy or badly balanced."""
    exposure, warmth, tint = random.uniform(0.88, 1.2), random.normal(0, 0.05), random.normal(0, 0.015)
    return Camera(
        gain=(float(exposure * (1 + warmth)), float(exposure * (1 + tint)), float(exposure * (1 - warmth))),
        gamma=float(random.uniform(0.85, 1.15)),
        vignette=float(random.uniform(0, 0.35)) if random.random() < 0.5 else 0.0,
        blur=float(random.uniform(0.002, 0.005)) if random.random() < 0.25 else 0.0,
        noise=float(random.gamma(2.0, 1.2)),
        flicker=float(random.uniform(0, 0.03)) if random.random() < 0.3 else 0.0,
        seed=int(random.integers(2**31)),
    )


class Exposure:
    """Applies a camera to pictures of `size` pixels; a picture depends on its frame number alone."""

    def __init__(self, camera: Camera, size: int) -> None:
        self._camera, self._size = camera, size
        random = np.random.default_rng(camera.seed)
        self._noise = random.normal(0, camera.noise, (2 * size, 2 * size, 3)).astype(np.int16)
        self._flicker_N = 1 + camera.flicker * random.uniform(-1, 1, 997)
        self._corner_N2 = random.integers(0, size, (991, 2))
        offset = (np.arange(size) + 0.5) / size - 0.5
        falloff = 1 - camera.vignette * 2 * (offset[:, None] ** 2 + offset[None] ** 2)
        self._falloff_HWC = np.repeat((falloff * 255)[..., None], 3, axis=-1).astype(np.uint8)
        tone = 255 * (np.arange(256)[:, None] / 255 * np.array(camera.gain)) ** camera.gamma
        self._tone_NC = np.asarray(tone, np.float64)

    def take(self, picture_HWC: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        """Return the picture (size, size, 3) uint8 as the camera gives it in a frame."""
        camera = self._camera
        if camera == PLAIN_CAMERA:
            return picture_HWC
        bright = self._flicker_N[frame % len(self._flicker_N)]
        table = np.clip(self._tone_NC * bright, 0, 255).astype(np.uint8)
        taken = cv2.LUT(picture_HWC, table[None])
        if camera.vignette:
            taken = cv2.multiply(taken, self._falloff_HWC, scale=1 / 255)
        if camera.blur:
            taken = cv2.GaussianBlur(taken, (0, 0), camera.blur * self._size)
        if camera.noise:
            row, column = self._corner_N2[frame % len(self._corner_N2)]
            patch = self._noise[row : row + self._size, column : column + self._size]
            taken = cv2.add(taken, patch, dtype=cv2.CV_8U)
        return np.asarray(taken, dtype=np.uint8)
