"""The head mesh: loading it, making a person's shape, moving it by expression units.

Legend: V vertices, U texture vertices, T triangles, K expression units, E entries of a sparse table, D = 3
(x, y, z). Lengths are decimetres (MakeHuman's unit); +x is the person's left, +y up, +z out of the face; the
origin is the middle of the eyes. Source: this project's reconstruction on CC0 MakeHuman data
(`data/README.md`).
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.correctives import corrective_targets
from shards.synthetic.geometry import add_sparse
from shards.synthetic.lashes import PATCH, lash_strips

QUANTUM_DECIMETRES = 0.001

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """Sparse vertex displacements: target k owns the entries offsets[k] to offsets[k + 1]."""

    names: tuple[str, ...]
    offsets: NDArray[np.int32]
    rows_E: NDArray[np.int32]
    delta_ED: Float32

    def add(self, vertices_VD: Float32, weights_K: NDArray[np.floating]) -> None:
        """Add every target times its weight to `vertices_VD` in place."""
        add_sparse(vertices_VD, self.offsets, self.rows_E, self.delta_ED, weights_K.astype(np.float32))

    def followed_by(self, roots: NDArray[np.int64], first: int) -> "Targets":
        """Add vertices `first`, `first` + 1, ... that move exactly as the vertices `roots` do."""
        rows, moved, offsets = [], [], [0]
        entry = np.full(first, -1)
        for start, end in pairwise(self.offsets):
            entry[:] = -1
            entry[self.rows_E[start:end]] = np.arange(start, end)
            copied = entry[roots]
            followers = np.flatnonzero(copied >= 0)
            rows += [self.rows_E[start:end], (first + followers).astype(np.int32)]
            moved += [self.delta_ED[start:end], self.delta_ED[copied[followers]]]
            offsets.append(offsets[-1] + end - start + len(followers))
        return Targets(self.names, np.array(offsets, np.int32), np.concatenate(rows), np.concatenate(moved))


@dataclass(frozen=True)
class Head:
    """The template head. `part_T` holds an index into `part_names`; `texture_U2` lies in the unit square."""

    vertices_VD: Float32
    triangles_T3: NDArray[np.int32]
    texture_U2: Float32
    texture_triangles_T3: NDArray[np.int32]
    part_names: tuple[str, ...]
    part_T: NDArray[np.uint8]
    lips_mask: NDArray[np.uint8]
    eyelids_mask: NDArray[np.uint8]
    ears_mask: NDArray[np.uint8]
    expressions: Targets
    identities: Targets

    def vertices_of(self, *parts: str) -> NDArray[np.int64]:
        """Return the sorted vertex numbers of the named parts."""
        wanted = np.isin(self.part_T, [self.part_names.index(part) for part in parts])
        return np.unique(self.triangles_T3[wanted]).astype(np.int64)


@cache
def load_head() -> Head:
    """Read `data/head.npz`, which ships with the package."""
    packed = resources.files("shards.synthetic").joinpath("data/head.npz")
    with packed.open("rb") as file, np.load(file, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    return _with_lashes(
        Head(
            vertices_VD=arrays["vertices_VD"],
            triangles_T3=arrays["triangles_T3"].astype(np.int32),
            texture_U2=arrays["texture_U2"],
            texture_triangles_T3=arrays["texture_triangles_T3"].astype(np.int32),
            part_names=tuple(str(name) for name in arrays["part_names"]),
            part_T=arrays["part_T"],
            lips_mask=arrays["lips_mask"],
            eyelids_mask=arrays["eyelids_mask"],
            ears_mask=arrays["ears_mask"],
            expressions=_with_correctives(_targets(arrays, "expression"), arrays),
            identities=_targets(arrays, "identity"),
        )
    )


def _with_lashes(head: Head) -> Head:
    """Add the part "lashes", each vertex of which moves as its root on the lid does."""
    skin = head.vertices_of("head")
    margins = (np.intersect1d(skin, head.vertices_of(f"socket_{side}")) for side in ("left", "right"))
    roots, offsets, triangles = lash_strips(head.vertices_VD, *margins)
    x, y, width, height = PATCH
    row = np.arange(len(roots))
    texture = np.stack([x + width * row / len(row), y + height * (row % 2)], axis=1).astype(np.float32)
    return replace(
        head,
        vertices_VD=np.concatenate([head.vertices_VD, head.vertices_VD[roots] + offsets]),
        triangles_T3=np.concatenate([head.triangles_T3, triangles + np.int32(len(head.vertices_VD))]),
        texture_U2=np.concatenate([head.texture_U2, texture]),
        texture_triangles_T3=np.concatenate(
            [head.texture_triangles_T3, triangles + np.int32(len(head.texture_U2))]
        ),
        part_names=(*head.part_names, "lashes"),
        part_T=np.concatenate([head.part_T, np.full(len(triangles), len(head.part_names), np.uint8)]),
        expressions=head.expressions.followed_by(roots, len(head.vertices_VD)),
        identities=head.identities.followed_by(roots, len(head.vertices_VD)),
    )


def _targets(arrays: dict[str, NDArray[np.generic]], prefix: str) -> Targets:
    return Targets(
        names=tuple(str(name) for name in arrays[f"{prefix}_names"]),
        offsets=arrays[f"{prefix}_offsets"].astype(np.int32),
        rows_E=arrays[f"{prefix}_rows_E"].astype(np.int32),
        delta_ED=arrays[f"{prefix}_steps_ED"].astype(np.float32) * np.float32(QUANTUM_DECIMETRES),
    )


def _with_correctives(expressions: Targets, arrays: dict[str, NDArray[np.generic]]) -> Targets:
    """Append the correctives to the units of the source."""
    names = list(arrays["part_names"])
    soft = np.isin(arrays["part_T"], [names.index("head"), names.index("mouth")])
    moving = np.zeros(len(arrays["vertices_VD"]), bool)
    moving[arrays["triangles_T3"][soft].ravel()] = True
    fields = corrective_targets(arrays["vertices_VD"].astype(np.float32), moving)
    rows = [np.flatnonzero(field.any(axis=1)).astype(np.int32) for field in fields.values()]
    moved = [field[row] for field, row in zip(fields.values(), rows, strict=True)]
    ends = expressions.offsets[-1] + np.cumsum([len(row) for row in rows])
    return Targets(
        names=(*expressions.names, *fields),
        offsets=np.concatenate([expressions.offsets, ends]).astype(np.int32),
        rows_E=np.concatenate([expressions.rows_E, *rows]),
        delta_ED=np.concatenate([expressions.delta_ED, *moved]),
    )
