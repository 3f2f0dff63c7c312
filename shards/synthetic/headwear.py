"""Caps, beanies and scarves, cut from the shell around the skull."""

import numpy as np

from shards.synthetic.pieces import Piece, grid_piece
from shards.synthetic.shell import directions, shell_grid

HEADWEAR = ("cap", "beanie", "scarf")


def headwear_pieces(kind: str, low: float) -> list[Piece]:
    """Make the pieces of one of HEADWEAR; `low` (0-1) is how far it comes down over the forehead."""
    angle = np.abs(directions())
    if kind == "cap":
        rim = np.interp(angle, (0.0, 1.0, 1.6, 3.2), (0.62, 0.42, 0.3, 0.1)) - 0.12 * low
        return [grid_piece(shell_grid(rim, 0.11, 0.3), "cloth", 0.3, True), _visor(0.62 - 0.12 * low)]
    if kind == "beanie":
        rim = np.interp(angle, (0.0, 0.9, 1.4, 3.2), (0.58, 0.4, 0.02, -0.45)) - 0.12 * low
        fold = shell_grid(rim, 0.19, 0.3)[-7:]
        return [
            grid_piece(shell_grid(rim + 0.05, 0.14, 0.3), "cloth", 0.15, True),
            grid_piece(fold, "cloth", 0.15, True),
        ]
    down = np.interp(angle, (0.0, 0.45, 0.64, 0.74, 3.2), (0.7, 0.6, 0.3, -1.9, -2.0))
    down -= 0.1 * low * (angle < 0.6)
    return [grid_piece(shell_grid(down, 0.07, 0.35), "cloth", 0.15, True), _neck_wrap()]


def _visor(rim_y: float) -> Piece:
    """The peak of a cap: a curved sheet forward and a little down from its rim."""
    across, forward = np.meshgrid(np.linspace(-1, 1, 15), np.linspace(0, 1, 6))
    reach = np.sqrt(1 - 0.75 * across**2)
    x = 0.66 * across * (1 - 0.08 * forward)
    y = rim_y + 0.03 - 0.10 * across**2 - 0.21 * forward * reach
    z = 0.36 - 0.55 * across**2 + 0.72 * forward * reach
    return grid_piece(np.stack([x, y, z], axis=-1).astype(np.float32), "cloth", 0.3, True)


def _neck_wrap() -> Piece:
    """Cloth from under the chin over the neck to the shoulders."""
    angle, height = np.meshgrid(np.linspace(-1.5, 1.5, 25), np.linspace(0, 1, 8))
    radius = np.interp(height, (0.0, 0.15, 1.0), (0.82, 0.98, 1.35)) * (1 - 0.16 * np.abs(angle))
    y = -1.0 - 1.0 * height + 0.32 * np.abs(angle) / 1.5
    grid = np.stack([radius * np.sin(angle), y, -0.78 + radius * np.cos(angle)], axis=-1)
    return grid_piece(grid.astype(np.float32), "cloth", 0.15, True)
