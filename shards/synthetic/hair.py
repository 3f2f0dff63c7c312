"""Hair that is more than paint: bobs, long hair, fringes, curls and buns, as shells around the skull."""

import numpy as np

from shards.synthetic.pieces import Piece, grid_piece
from shards.synthetic.shell import DIRECTIONS, ROWS, directions, shell_grid

# "short", "receding" and "bald" are painted on the skin (see `appearance`).
PAINTED_STYLES = ("short", "receding", "bald")
SHELL_STYLES = ("bob", "long", "curls", "bun")
# Height where hair begins above the face (0) and beside it, by angle; the side curtain starts before the ear.
FACE_ANGLE, FACE_BOTTOM_Y = (0.0, 0.5, 0.85), (0.80, 0.74, 0.42)
CURTAIN_FROM, CURTAIN_FULL = 0.92, 1.12


def hair_pieces(style: str, length: float, fringe: float, random: np.random.Generator) -> list[Piece]:
    """Make the pieces of a style.

    Args:
        style: of PAINTED_STYLES (no piece) or SHELL_STYLES.
        length: 0-1, how far bobs and long hair reach down.
        fringe: decimetres by which the hair comes down over the forehead.
        random: for strands that end unevenly.
    """
    if style in PAINTED_STYLES:
        return []
    angle = np.abs(directions())
    around_face = np.interp(angle, FACE_ANGLE, FACE_BOTTOM_Y) - fringe * np.exp(-((angle / 0.6) ** 2))
    ragged = random.normal(0, 0.018, DIRECTIONS)
    if style == "curls":
        ends = np.interp(angle, (0.9, 1.25, 1.6, 2.2, 3.2), (0.35, 0.05, -0.2 - 0.5 * length, -0.8, -0.95))
        bottom = np.where(angle < 0.9, around_face, ends)
        rough = np.abs(random.normal(0, 0.05, (ROWS, DIRECTIONS))) * np.linspace(1, 0.6, ROWS)[:, None]
        return [grid_piece(shell_grid(bottom, 0.16 + 0.12 * length, 0.5, rough), "hair", 0.2, True)]
    if style == "bun":
        bottom = np.interp(angle, (0.9, 1.25, 1.6, 2.2, 3.2), (0.4, 0.15, 0.1, -0.5, -0.85))
        bottom = np.where(angle < 0.9, around_face, bottom)
        return [grid_piece(shell_grid(bottom, 0.05, 0.0), "hair", 0.5, True), _bun(0.22 + 0.1 * length)]
    down = -0.55 - 0.5 * length if style == "bob" else -1.25 - 0.85 * length
    ends = np.interp(angle, (CURTAIN_FROM, CURTAIN_FULL, 3.2), (around_face.min(), down, down - 0.08))
    bottom = np.where(angle < CURTAIN_FROM, around_face, ends) + ragged
    waves = 0.02 * np.sin(np.arange(DIRECTIONS) * random.uniform(1.0, 2.0)) * np.linspace(0, 1, ROWS)[:, None]
    return [grid_piece(shell_grid(bottom, 0.09, 0.85, waves), "hair", 0.5, True)]


def _bun(radius: float) -> Piece:
    """A ball of hair on the crown, towards the back."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(-np.pi, np.pi, 15), indexing="ij")
    ball = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], axis=-1)
    return grid_piece((ball * radius + (0.0, 1.28, -1.05)).astype(np.float32), "hair", 0.4, False)
