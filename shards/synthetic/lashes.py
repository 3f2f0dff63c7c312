"""Eyelashes: a strip on each lid's margin that moves with the lid.

The source's head has none. Every lash vertex copies the displacements of the margin vertex it grows from, in
all targets, so that lashes follow shapes and blinks.

Legend: V vertices, T triangles, D = 3. Lengths in decimetres.
"""

import numpy as np
from numpy.typing import NDArray

# Forward and upward reach of the tips; the lower row is shorter.
UPPER_REACH, LOWER_REACH = (0.0, 0.020, 0.042), (0.0, -0.014, 0.014)
SPREAD = 0.25  # how far tips fan out sideways, per decimetre from the middle of the eye
# A free place of the atlas (x, y, width, height) in its unit square.
PATCH = (0.925, 0.945, 0.06, 0.04)


def lash_strips(
    vertices_VD: NDArray[np.float32], margin_left: NDArray[np.int64], margin_right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Return for each lash vertex its root's number and its offset (., 3), and triangles over these.

    Roots with offset 0 alternate with tips; the margins are numbers of vertices around each eye.
    """
    roots: list[int] = []
    offsets: list[tuple[float, float, float]] = []
    triangles: list[tuple[int, int, int]] = []
    for margin in (margin_left, margin_right):
        x, y, _ = vertices_VD[margin].T
        corner_y = np.interp(x, (x.min(), x.max()), (y[x.argmin()], y[x.argmax()]))
        middle_x = (x.min() + x.max()) / 2
        for upper, reach in ((True, UPPER_REACH), (False, LOWER_REACH)):
            row = margin[(y > corner_y) == upper]
            row = row[np.argsort(vertices_VD[row, 0])]
            for number, root in enumerate(row):
                base = len(roots)
                roots += [int(root), int(root)]
                fan = SPREAD * float(vertices_VD[root, 0] - middle_x)
                offsets += [(0.0, 0.0, 0.003), (fan, reach[1], reach[2])]
                if number:
                    quad = [(base - 2, base, base - 1), (base - 1, base, base + 1)]
                    triangles += quad + [(c, b, a) for a, b, c in quad]
    return np.array(roots), np.array(offsets, np.float32), np.array(triangles, np.int32)
