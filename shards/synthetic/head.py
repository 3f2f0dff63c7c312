"""The head mesh: loading it, making a person's shape, moving it by expression units.

Legend: V vertices, U texture vertices, T triangles, K expression units, E entries of a sparse table, D = 3
(x, y, z). Lengths are decimetres (MakeHuman's unit); +x is the person's left, +y up, +z out of the face; the
origin is the middle of the eyes. Source: this project's reconstruction on CC0 MakeHuman data
(`data/README.md`).
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.rasterise import add_sparse

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
    return Head(
        vertices_VD=arrays["vertices_VD"],
        triangles_T3=arrays["triangles_T3"].astype(np.int32),
        texture_U2=arrays["texture_U2"],
        texture_triangles_T3=arrays["texture_triangles_T3"].astype(np.int32),
        part_names=tuple(str(name) for name in arrays["part_names"]),
        part_T=arrays["part_T"],
        lips_mask=arrays["lips_mask"],
        eyelids_mask=arrays["eyelids_mask"],
        ears_mask=arrays["ears_mask"],
        expressions=_targets(arrays, "expression"),
        identities=_targets(arrays, "identity"),
    )


def _targets(arrays: dict[str, NDArray[np.generic]], prefix: str) -> Targets:
    return Targets(
        names=tuple(str(name) for name in arrays[f"{prefix}_names"]),
        offsets=arrays[f"{prefix}_offsets"].astype(np.int32),
        rows_E=arrays[f"{prefix}_rows_E"].astype(np.int32),
        delta_ED=arrays[f"{prefix}_steps_ED"].astype(np.float32) * np.float32(QUANTUM_DECIMETRES),
    )
