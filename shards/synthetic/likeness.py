"""Which action units look alike in generated faces: measured on pictures, so that reports can say so.

Each unit is drawn alone at intensity 5 on several people who look straight ahead in plain pictures, and its
change is the difference from the neutral picture. Two units look alike as far as their changes correlate.

Legend: P people, A action units, H x W pixels, C = 3 colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY, Performance, unit_coefficients
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person, stable_seed
from shards.synthetic.render import FACE_HEIGHT_DECIMETRES, FACE_MIDDLE_Y, Renderer
from shards.synthetic.scene import draw_scene, plain

STILL_PIXELS, PEOPLE = 112, 12
FACE_SHARE, FACE_CENTRE_Y = 0.86, 0.46
# The standard deviation, in pixels, to which changes are smoothed before they are compared.
SMOOTHING_PIXELS = 1.0
# Parts of the face by height on the template (decimetres from the eyes, low and high) and by how far from the
# middle they begin; together they cover the face once.
REGIONS: Mapping[str, tuple[float, float]] = {
    "brows": (0.05, 0.75), "eyes": (-0.12, 0.05), "nose and cheeks": (-0.47, -0.12), "mouth": (-0.86, -0.47),
    "chin": (-1.2, -0.86),
}  # fmt: skip
REGION_HALF_WIDTH = 0.62
LIKENESS_LIMIT = 0.5
# What `confusable_pairs` gives for 12 people of seed 1 at 112 pixels; a test holds it to a fresh measurement.
# 43 and 45 are one movement and differ in time alone. The others can be told apart by eye, but share much of
# their change: a model may take one for the other, so no claim should rest on telling them apart.
CONFUSABLE_PAIRS: Mapping[tuple[int, int], float] = {
    (43, 45): 1.0, (7, 43): 0.61, (7, 45): 0.61, (12, 17): 0.59, (9, 10): 0.50,
}  # fmt: skip


def stills(seed: int, people: int, pixels: int) -> NDArray[np.uint8]:
    """Draw `people` people in plain pictures: (P, A + 1, H, W, C), first neutral, then each unit at 5."""
    names = load_head().expressions.names
    none = np.zeros(3, np.float32)
    count = len(ACTION_UNITS)
    performance = Performance(
        np.concatenate([np.zeros((1, count)), np.eye(count) * MAX_INTENSITY]).astype(np.float32),
        np.zeros((count + 1, count), np.float32),
        {},
    )
    coefficients_TK = unit_coefficients(performance, names)
    pictures = []
    for number in range(people):
        random = np.random.default_rng(stable_seed("likeness scene", seed, number))
        scene = replace(
            plain(draw_scene(random, 1, 1.0, pixels)),
            face_height=FACE_SHARE, centre_x=0.5, centre_y=FACE_CENTRE_Y,
        )  # fmt: skip
        renderer = Renderer(make_person(stable_seed("likeness person", seed, number)), scene, pixels)
        pictures.append(np.stack([renderer.render(row_K, none, none) for row_K in coefficients_TK]))
    return np.stack(pictures)


def region_changes(stills_PAHWC: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Return for each region the mean change by each unit in grey levels, (P, A)."""
    pixels = stills_PAHWC.shape[2]
    change = np.abs(stills_PAHWC[:, 1:].astype(np.float64) - stills_PAHWC[:, :1]).mean(axis=-1)
    scale = FACE_SHARE * pixels / FACE_HEIGHT_DECIMETRES
    half = round(REGION_HALF_WIDTH * scale)

    def row(height: float) -> int:
        return int(np.clip(round(FACE_CENTRE_Y * pixels - (height - FACE_MIDDLE_Y) * scale), 0, pixels))

    columns = slice(pixels // 2 - half, pixels // 2 + half)
    return {
        name: change[:, :, row(high) : row(low), columns].mean(axis=(2, 3))
        for name, (low, high) in REGIONS.items()
    }


def likeness(stills_PAHWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how alike the changes by two units are, (A, A): their cosine, averaged over people."""
    changes = stills_PAHWC[:, 1:].astype(np.float32) - stills_PAHWC[:, :1]
    smooth = np.array(
        [
            [cv2.GaussianBlur(change, (0, 0), SMOOTHING_PIXELS).ravel() for change in person]
            for person in changes
        ]
    )
    smooth /= np.linalg.norm(smooth, axis=-1, keepdims=True)
    return np.asarray((smooth @ smooth.transpose(0, 2, 1)).mean(axis=0), dtype=np.float64)


def confusable_pairs(
    likeness_AA: NDArray[np.float64], units: Sequence[int] = ACTION_UNITS, limit: float = LIKENESS_LIMIT
) -> dict[tuple[int, int], float]:
    """Return the pairs of units whose likeness reaches `limit`, the most alike first."""
    pairs = {
        (first, second): float(likeness_AA[i, j])
        for i, first in enumerate(units)
        for j, second in enumerate(units)
        if i < j and likeness_AA[i, j] >= limit
    }
    return dict(sorted(pairs.items(), key=lambda item: -item[1]))
