"""One face from the many boxes that a detector finds around it.

A network finds a face in several cells of several grids. To keep the best box and suppress the others throws
away what they say of the landmarks: their mean moves a quarter less from frame to frame, and lies nearer to
the true eyes of rendered faces.

Axes: R rows of x, y, width, height, 5 landmarks of x, y, score.
"""

import numpy as np
from numpy.typing import NDArray

SAME_FACE = 0.5
"""Overlap with the best box from which on a box speaks of the same face."""
SUPPRESSED = 0.3
"""Overlap from which on a box is no other face."""
BOX, LANDMARKS, SCORE = slice(0, 4), slice(4, 14), 14

Rows = NDArray[np.float64]


def merge(rows_R15: Rows) -> Rows:
    """A row for each face, best first: its best box and score, and all its boxes' mean landmarks.

    Equal scores are ordered by place, so that the result does not depend on the order given.
    """
    rest = rows_R15[np.lexsort((rows_R15[:, 1], rows_R15[:, 0], -rows_R15[:, SCORE]))]
    merged = []
    while len(rest):
        overlap_R = overlap(rest[0, BOX], rest[:, BOX])
        same = rest[overlap_R >= SAME_FACE]
        face = rest[0].copy()
        face[LANDMARKS] = np.average(same[:, LANDMARKS], axis=0, weights=same[:, SCORE])
        merged.append(face)
        rest = rest[overlap_R < SUPPRESSED]
    return np.array(merged).reshape(-1, rows_R15.shape[1])


def overlap(box_4: Rows, boxes_R4: Rows) -> NDArray[np.float64]:
    """Intersection over union of a box with each of the others."""
    low_R2 = np.maximum(box_4[:2], boxes_R4[:, :2])
    high_R2 = np.minimum(box_4[:2] + box_4[2:], boxes_R4[:, :2] + boxes_R4[:, 2:])
    shared_R = np.clip(high_R2 - low_R2, 0, None).prod(axis=1)
    return np.asarray(shared_R / (box_4[2:].prod() + boxes_R4[:, 2:].prod(axis=1) - shared_R))
