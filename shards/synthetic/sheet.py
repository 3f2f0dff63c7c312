"""A contact sheet: what each action unit looks like on several people, for a person to judge."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, DISFA_ACTION_UNITS, Performance, unit_coefficients
from shards.synthetic.generate import person_seed
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person, stable_seed
from shards.synthetic.render import Renderer
from shards.synthetic.scene import draw_scene, plain

SHEET_INTENSITIES = (0.0, 2.0, 5.0)
TILE_PIXELS, LABEL_PIXELS, FACE_SHARE = 160, 56, 0.86


def still(unit: int, intensity: float) -> Performance:
    """Return a performance of one frame that shows one action unit and nothing else."""
    intensity_TA = np.zeros((1, len(ACTION_UNITS)), np.float32)
    intensity_TA[0, ACTION_UNITS.index(unit)] = intensity
    return Performance(intensity_TA, np.zeros_like(intensity_TA), {})


def contact_sheet(
    path: Path,
    seed: int,
    people: int,
    units: tuple[int, ...] = DISFA_ACTION_UNITS,
    tile_pixels: int = TILE_PIXELS,
) -> None:
    """Write a PNG with a row per action unit and, for each person, a tile at intensity 0, 2 and 5.

    The people are the first ones of the "disfa" layout with this seed, looking straight ahead.

    Raises:
        ValueError: `people` is not positive.
    """
    if people <= 0:
        raise ValueError(f"people: found {people}, wanted a number above 0; pass 3, for example")
    names = load_head().expressions.names
    columns: list[NDArray[np.uint8]] = []
    for index in range(people):
        scene = draw_scene(np.random.default_rng(stable_seed("sheet", seed, index)), 1, 1.0, tile_pixels)
        scene = replace(
            plain(scene), face_height=FACE_SHARE, centre_y=0.46
        )  # nearer than a video, so that a face fills its tile
        renderer = Renderer(make_person(person_seed("disfa", seed, index)), scene, tile_pixels)
        for intensity in SHEET_INTENSITIES:
            tiles = [
                renderer.render(
                    unit_coefficients(still(unit, intensity), names)[0],
                    np.zeros(3, np.float32),
                    np.zeros(3, np.float32),
                )
                for unit in units
            ]
            columns.append(np.concatenate(tiles))
    labels = np.full((len(units) * tile_pixels, LABEL_PIXELS, 3), 255, np.uint8)
    for row, unit in enumerate(units):
        place = (4, row * tile_pixels + tile_pixels // 2)
        cv2.putText(labels, f"AU {unit}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    sheet = np.concatenate([labels, *columns], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    written, encoded = cv2.imencode(".png", sheet[:, :, ::-1])
    if not written:
        raise RuntimeError(
            f"OpenCV could not encode {path}; wanted PNG support; install opencv-python-headless"
        )
    path.write_bytes(encoded.tobytes())
