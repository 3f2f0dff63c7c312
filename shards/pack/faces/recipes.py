"""The crops that this program makes: where a face's eyes, nose and mouth corners stand in them.

A template holds x, y of 5 landmarks (the subject's right first) as shares of the crop's side. A changed
number is another crop: raise its version.
"""

from collections.abc import Callable

from shards.pack.faces.align import Aligner, FivePointAligner

# Eyes 0.27 of the crop apart, 0.40 from the top: 1.5 eye distances above them show the forehead, 2.2 below
# them hold the chin with the jaw dropped. Nose and mouth stand as in a common mean face.
WIDE = [[0.365, 0.400], [0.635, 0.400], [0.500, 0.554], [0.388, 0.712], [0.612, 0.712]]

# The 112-pixel template of face recognition, as published with ArcFace (https://arxiv.org/abs/1801.07698).
# The face is 1.2 times as large as in the wide crop and stands lower: a dropped jaw leaves the picture.
TIGHT_PIXELS = 112
TIGHT = [
    [38.2946 / TIGHT_PIXELS, 51.6963 / TIGHT_PIXELS],
    [73.5318 / TIGHT_PIXELS, 51.5014 / TIGHT_PIXELS],
    [56.0252 / TIGHT_PIXELS, 71.7366 / TIGHT_PIXELS],
    [41.5493 / TIGHT_PIXELS, 92.3655 / TIGHT_PIXELS],
    [70.7299 / TIGHT_PIXELS, 92.2041 / TIGHT_PIXELS],
]


def face5_wide() -> Aligner:
    """The whole face with forehead and chin, for facial action."""
    return FivePointAligner(2, WIDE)


def face5_tight() -> Aligner:
    """Forehead to mouth, as face recognition crops."""
    return FivePointAligner(1, TIGHT)


ALIGNERS: dict[str, Callable[[], Aligner]] = {"face5_wide": face5_wide, "face5_tight": face5_tight}
