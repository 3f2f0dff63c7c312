from pathlib import Path

import cv2
import numpy as np
import pytest

from shards.synthetic.action_units import DISFA_ACTION_UNITS
from shards.synthetic.sheet import LABEL_PIXELS, SHEET_INTENSITIES, contact_sheet


def test_sheet_has_a_row_per_unit_and_three_tiles_per_person(tmp_path: Path) -> None:
    path = tmp_path / "sheets" / "sheet.png"
    contact_sheet(path, seed=1, people=2, tile_pixels=64)
    height, width, _ = np.asarray(cv2.imread(str(path))).shape
    assert height == 64 * len(DISFA_ACTION_UNITS)
    assert width == LABEL_PIXELS + 2 * len(SHEET_INTENSITIES) * 64


def test_sheet_wants_people(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="people: found 0, wanted a number above 0; pass 3"):
        contact_sheet(tmp_path / "sheet.png", seed=1, people=0)
