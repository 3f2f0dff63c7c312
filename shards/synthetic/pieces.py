"""Surfaces added to a head: hair, headwear and glasses, made on the template and fitted to a person.

Legend: V vertices, T triangles, R x N rows and columns of a grid, D = 3. Lengths in decimetres, template
coordinates (see `head`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.geometry import vertex_normals
from shards.synthetic.head import Head

# Paint of pieces lies in a strip below the atlas: name -> (x, y, width, height) in texels of the strip.
STRIP_HEIGHT = 96
SWATCHES = {"hair": (2, 2, 250, 92), "cloth": (258, 2, 186, 92), "frame": (450, 2, 40, 92)}
NEIGHBOURS = 12

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Piece:
    """A surface; `texture_V2` lies in the unit square of its swatch, `shine` is a share of the gloss."""

    vertices_VD: Float32
    triangles_T3: Int32
    texture_V2: Float32
    swatch: str
    shine: float


@dataclass(frozen=True)
class Worn:
    """All pieces of a person in one mesh; `texture_V2` in texels of the person's atlas with its strip."""

    vertices_VD: Float32
    normals_VD: Float32
    triangles_T3: Int32
    texture_V2: Float32
    shine_V: Float32


def grid_piece(grid_RND: NDArray[np.floating], swatch: str, shine: float, two_sided: bool) -> Piece:
    """Make a piece of a grid of points; its front is where columns run right as rows run down."""
    rows, columns = grid_RND.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    front = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3)
    triangles = np.concatenate([front, front[:, ::-1]]) if two_sided else front
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return Piece(
        grid_RND.reshape(-1, 3).astype(np.float32),
        np.ascontiguousarray(triangles, dtype=np.int32),
        np.stack([u, v], -1).reshape(-1, 2).astype(np.float32),
        swatch,
        shine,
    )


def tube_piece(path_ND: NDArray[np.floating], radius: float, closed: bool) -> Piece:
    """Make a thin tube of square section along a path, for frames."""
    following = np.roll(path_ND, -1, axis=0) if closed else np.gradient(path_ND, axis=0) + path_ND
    previous = np.roll(path_ND, 1, axis=0) if closed else path_ND
    along = following - previous
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.cross(along, (0.0, 1.0, 0.0)) + np.cross(along, (0.0, 0.0, 1.0))
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    up = np.cross(along, across)
    turns = np.linspace(0, 2 * np.pi, 5) + np.pi / 4
    ring = [path_ND + radius * (np.cos(t) * across + np.sin(t) * up) for t in turns]
    grid = np.stack(ring, axis=1)
    if closed:
        grid = np.concatenate([grid, grid[:1]])
    return grid_piece(grid.astype(np.float32), "frame", 2.5, two_sided=True)


def fitted(position_VD: Float32, head: Head, neutral_VD: Float32) -> Float32:
    """Move template positions (V, 3) as the skin near them moves from the template to a person's face."""
    skin = head.vertices_of("head")
    template, moved = head.vertices_VD[skin], (neutral_VD - head.vertices_VD)[skin]
    distance = np.sqrt(((position_VD[:, None] - template[None]) ** 2).sum(-1))
    nearest = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    weight = 1.0 / (np.take_along_axis(distance, nearest, 1) + 0.05) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(position_VD + (weight[..., None] * moved[nearest]).sum(axis=1), dtype=np.float32)


def wear(pieces: Sequence[Piece], head: Head, neutral_VD: Float32, atlas_size: int) -> Worn:
    """Join pieces into one mesh on a person; no pieces give an empty mesh."""
    vertices, triangles, texture, shine, count = [], [], [], [], 0
    for piece in pieces:
        x, y, width, height = SWATCHES[piece.swatch]
        vertices.append(fitted(piece.vertices_VD, head, neutral_VD))
        triangles.append(piece.triangles_T3 + count)
        texture.append(piece.texture_V2 * (width - 2, height - 2) + (x, atlas_size + y))
        shine.append(np.full(len(piece.vertices_VD), piece.shine))
        count += len(piece.vertices_VD)
    worn_VD = np.concatenate([np.zeros((0, 3)), *vertices]).astype(np.float32)
    triangles_T3 = np.concatenate([np.zeros((0, 3)), *triangles]).astype(np.int32)
    normals_VD, area_V = np.zeros_like(worn_VD), np.zeros(count, np.float32)
    # The backs of two-sided pieces would cancel the normals: only the first half of each counts.
    fronts = [part[: len(part) // 2] if _doubled(part) else part for part in triangles]
    vertex_normals(worn_VD, np.concatenate([np.zeros((0, 3)), *fronts]).astype(np.int32), normals_VD, area_V)
    return Worn(
        worn_VD,
        normals_VD,
        triangles_T3,
        np.concatenate([np.zeros((0, 2)), *texture]).astype(np.float32),
        np.concatenate([np.zeros(0), *shine]).astype(np.float32),
    )


def _doubled(triangles_T3: Int32) -> bool:
    half = len(triangles_T3) // 2
    return bool(len(triangles_T3) % 2 == 0 and (triangles_T3[:half, ::-1] == triangles_T3[half:]).all())
