"""The compiled loops: sparse blending, per-vertex shading, and a z-buffer with a texture.

Numba compiles them once and keeps the result beside the module (or in NUMBA_CACHE_DIR). Nothing here uses
threads or reorders sums, so that the same input gives the same bytes in any process.

Legend: V vertices, U texture vertices, T triangles, K targets, E sparse entries, D = 3, C = 3 colours,
H x W pixels, N edges.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]
F = TypeVar("F", bound=Callable[..., object])


def _compiled(function: F) -> F:
    try:
        return cast("F", numba.njit(cache=True, error_model="numpy")(function))
    except (
        RuntimeError
    ):  # no folder to keep it in is writable: each process compiles for itself, a few seconds
        return cast("F", numba.njit(error_model="numpy")(function))


@_compiled
def add_sparse(
    vertices_VD: Float32, offsets: Int32, rows_E: Int32, delta_ED: Float32, weights_K: Float32
) -> None:
    """Add sum over k of weights[k] * target[k] to the vertices, in place."""
    for k in range(weights_K.shape[0]):
        weight = weights_K[k]
        if weight == 0.0:
            continue
        for e in range(offsets[k], offsets[k + 1]):
            row = rows_E[e]
            vertices_VD[row, 0] += weight * delta_ED[e, 0]
            vertices_VD[row, 1] += weight * delta_ED[e, 1]
            vertices_VD[row, 2] += weight * delta_ED[e, 2]


@_compiled
def vertex_normals(vertices_VD: Float32, triangles_T3: Int32, normals_VD: Float32, area_V: Float32) -> None:
    """Write unit normals and the doubled area of the triangles around each vertex."""
    normals_VD[:] = 0.0
    area_V[:] = 0.0
    for t in range(triangles_T3.shape[0]):
        a, b, c = triangles_T3[t, 0], triangles_T3[t, 1], triangles_T3[t, 2]
        ux = vertices_VD[b, 0] - vertices_VD[a, 0]
        uy = vertices_VD[b, 1] - vertices_VD[a, 1]
        uz = vertices_VD[b, 2] - vertices_VD[a, 2]
        wx = vertices_VD[c, 0] - vertices_VD[a, 0]
        wy = vertices_VD[c, 1] - vertices_VD[a, 1]
        wz = vertices_VD[c, 2] - vertices_VD[a, 2]
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        area = math.sqrt(nx * nx + ny * ny + nz * nz)
        for v in (a, b, c):
            normals_VD[v, 0] += nx
            normals_VD[v, 1] += ny
            normals_VD[v, 2] += nz
            area_V[v] += area
    for v in range(vertices_VD.shape[0]):
        length = math.sqrt(normals_VD[v, 0] ** 2 + normals_VD[v, 1] ** 2 + normals_VD[v, 2] ** 2) + 1e-12
        normals_VD[v, 0] /= length
        normals_VD[v, 1] /= length
        normals_VD[v, 2] /= length


@_compiled
def relief(
    vertices_VD: Float32, normals_VD: Float32, edges_N2: Int32, scale_V: Float32, relief_V: Float32
) -> None:
    """Write how deep each vertex lies below its neighbours (positive in a furrow, no unit)."""
    relief_V[:] = 0.0
    for n in range(edges_N2.shape[0]):
        a, b = edges_N2[n, 0], edges_N2[n, 1]
        dx = vertices_VD[b, 0] - vertices_VD[a, 0]
        dy = vertices_VD[b, 1] - vertices_VD[a, 1]
        dz = vertices_VD[b, 2] - vertices_VD[a, 2]
        relief_V[a] += dx * normals_VD[a, 0] + dy * normals_VD[a, 1] + dz * normals_VD[a, 2]
        relief_V[b] -= dx * normals_VD[b, 0] + dy * normals_VD[b, 1] + dz * normals_VD[b, 2]
    for v in range(relief_V.shape[0]):
        relief_V[v] *= scale_V[v]


@_compiled
def place_vertices(
    vertices_VD: Float32,
    normals_VD: Float32,
    follow_V: Float32,
    rotation_DD: Float32,
    drift_D: Float32,
    pivot_D: Float32,
    camera: Float32,
    normals_out_VD: Float32,
    screen_VD: Float32,
) -> None:
    """Turn and shift the head about the neck, and project it.

    `follow_V` is how far a vertex follows (0 shoulders, 1 head). `camera` is centre x and y in pixels, focal
    length in pixels, distance and height of the looked-at point in decimetres. Depth is minus the distance
    from the camera.
    """
    for v in range(vertices_VD.shape[0]):
        follow = follow_V[v]
        x, y, z = (
            vertices_VD[v, 0] - pivot_D[0],
            vertices_VD[v, 1] - pivot_D[1],
            vertices_VD[v, 2] - pivot_D[2],
        )
        nx, ny, nz = normals_VD[v, 0], normals_VD[v, 1], normals_VD[v, 2]
        px = x + follow * (
            rotation_DD[0, 0] * x + rotation_DD[0, 1] * y + rotation_DD[0, 2] * z + drift_D[0] - x
        )
        py = y + follow * (
            rotation_DD[1, 0] * x + rotation_DD[1, 1] * y + rotation_DD[1, 2] * z + drift_D[1] - y
        )
        pz = z + follow * (
            rotation_DD[2, 0] * x + rotation_DD[2, 1] * y + rotation_DD[2, 2] * z + drift_D[2] - z
        )
        for d in range(3):
            turned = rotation_DD[d, 0] * nx + rotation_DD[d, 1] * ny + rotation_DD[d, 2] * nz
            normals_out_VD[v, d] = normals_VD[v, d] + follow * (turned - normals_VD[v, d])
        away = camera[3] - (pz + pivot_D[2])
        screen_VD[v, 0] = camera[0] + camera[2] * (px + pivot_D[0]) / away
        screen_VD[v, 1] = camera[1] - camera[2] * (py + pivot_D[1] - camera[4]) / away
        screen_VD[v, 2] = -away


@_compiled
def shade_vertices(
    normals_VD: Float32,
    relief_V: Float32,
    area_V: Float32,
    neutral_area_V: Float32,
    shine_V: Float32,
    occlusion_V: Float32,
    light_D: Float32,
    light_C: Float32,
    ambient_C: Float32,
    gloss: float,
    light_VC: Float32,
    gloss_V: Float32,
) -> None:
    """Write the light (factor per colour) and the gloss (grey levels) of each vertex.

    Skin is darker in furrows and where it is compressed against the person's neutral face: both are read
    off the moved mesh, never off a label.
    """
    hx, hy, hz = light_D[0], light_D[1], light_D[2] + np.float32(1.0)
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    for v in range(normals_VD.shape[0]):
        nx, ny, nz = normals_VD[v, 0], normals_VD[v, 1], normals_VD[v, 2]
        facing = nx * light_D[0] + ny * light_D[1] + nz * light_D[2]
        diffuse = max(np.float32(0.0), (facing + np.float32(0.25)) / np.float32(1.25))
        sky = np.float32(0.78) + np.float32(0.22) * ny
        furrow = min(max(relief_V[v], np.float32(-0.25)), np.float32(0.5))
        tight = min(
            max(np.float32(1.0) - area_V[v] / (neutral_area_V[v] + np.float32(1e-9)), np.float32(-0.3)),
            np.float32(0.6),
        )
        shade = (
            occlusion_V[v]
            * (np.float32(1.0) - np.float32(1.3) * furrow)
            * (np.float32(1.0) - np.float32(0.6) * tight)
        )
        mirror = max(np.float32(0.0), (nx * hx + ny * hy + nz * hz) / length)
        power = mirror * mirror
        power = power * power
        power = power * power
        gloss_V[v] = gloss * shine_V[v] * power * power * shade
        for k in range(3):
            light_VC[v, k] = shade * (ambient_C[k] * sky + light_C[k] * diffuse)


@_compiled
def _read_between(atlas_HWC: UInt8, u: float, v: float, k: int) -> float:
    """Return colour k of the atlas at column u and row v, bilinearly."""
    column, row = int(u), int(v)
    right, below = u - np.float32(column), v - np.float32(row)
    upper = (1 - right) * atlas_HWC[row, column, k] + right * atlas_HWC[row, column + 1, k]
    lower = (1 - right) * atlas_HWC[row + 1, column, k] + right * atlas_HWC[row + 1, column + 1, k]
    return float((1 - below) * upper + below * lower)


@_compiled
def fill_triangles(
    screen_VD: Float32, triangles_T3: Int32, texture_U2: Float32, texture_triangles_T3: Int32,
    light_VC: Float32, gloss_V: Float32, atlas_HWC: UInt8, depth_HW: Float32, image_HWC: UInt8,
) -> None:  # fmt: skip
    """Draw front-facing triangles over `image_HWC`.

    `screen_VD` is x (right) and y (down) in pixels and a depth that is larger when nearer; `depth_HW` is
    reset by the caller. A pixel is texture (bilinear) times light, plus gloss in grey levels; `texture_U2` is
    in texels.
    """
    height, width = depth_HW.shape
    for t in range(triangles_T3.shape[0]):
        a, b, c = triangles_T3[t, 0], triangles_T3[t, 1], triangles_T3[t, 2]
        ax, ay, bx, by = screen_VD[a, 0], screen_VD[a, 1], screen_VD[b, 0], screen_VD[b, 1]
        cx, cy = screen_VD[c, 0], screen_VD[c, 1]
        doubled = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if doubled >= -1e-6:  # y points down, so triangles that face the camera turn the other way round
            continue
        x_first = max(0, math.ceil(min(ax, bx, cx) - 0.5))
        x_last = min(width - 1, math.floor(max(ax, bx, cx) - 0.5))
        y_first = max(0, math.ceil(min(ay, by, cy) - 0.5))
        y_last = min(height - 1, math.floor(max(ay, by, cy) - 0.5))
        if x_first > x_last or y_first > y_last:
            continue
        scale = np.float32(1.0) / doubled
        ta, tb, tc = texture_triangles_T3[t, 0], texture_triangles_T3[t, 1], texture_triangles_T3[t, 2]
        step_b, step_c = (cy - ay) * scale, -(by - ay) * scale
        for y in range(y_first, y_last + 1):
            py = np.float32(y) + np.float32(0.5) - ay
            px = np.float32(x_first) + np.float32(0.5) - ax
            wb = (px * (cy - ay) - py * (cx - ax)) * scale
            wc = ((bx - ax) * py - (by - ay) * px) * scale
            for x in range(x_first, x_last + 1):
                wa = np.float32(1.0) - wb - wc
                if wa >= 0.0 and wb >= 0.0 and wc >= 0.0:
                    depth = wa * screen_VD[a, 2] + wb * screen_VD[b, 2] + wc * screen_VD[c, 2]
                    if depth > depth_HW[y, x]:
                        depth_HW[y, x] = depth
                        u = wa * texture_U2[ta, 0] + wb * texture_U2[tb, 0] + wc * texture_U2[tc, 0]
                        v = wa * texture_U2[ta, 1] + wb * texture_U2[tb, 1] + wc * texture_U2[tc, 1]
                        gloss = wa * gloss_V[a] + wb * gloss_V[b] + wc * gloss_V[c]
                        for k in range(3):
                            light = wa * light_VC[a, k] + wb * light_VC[b, k] + wc * light_VC[c, k]
                            value = _read_between(atlas_HWC, u, v, k) * light + gloss
                            image_HWC[y, x, k] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
                wb += step_b
                wc += step_c


@_compiled
def fill_attributes(
    screen_V2: Float32,
    triangles_T3: Int32,
    attributes_VD: Float32,
    owner_T: Int32,
    image_HWD: Float32,
    owner_HW: Int32,
) -> None:
    """Interpolate vertex attributes over a flat layout; `owner_HW` gets the `owner_T` of the triangle there.

    Triangles are grown by a pixel, so that reading next to a seam finds paint and no hole.
    """
    height, width = owner_HW.shape
    for t in range(triangles_T3.shape[0]):
        a, b, c = triangles_T3[t, 0], triangles_T3[t, 1], triangles_T3[t, 2]
        ax, ay, bx, by = (
            screen_V2[3 * t, 0],
            screen_V2[3 * t, 1],
            screen_V2[3 * t + 1, 0],
            screen_V2[3 * t + 1, 1],
        )
        cx, cy = screen_V2[3 * t + 2, 0], screen_V2[3 * t + 2, 1]
        doubled = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(doubled) < 1e-9:
            continue
        longest = max(
            math.hypot(bx - ax, by - ay), math.hypot(cx - ax, cy - ay), math.hypot(cx - bx, cy - by)
        )
        slack = -1.5 * longest / abs(doubled)
        for y in range(max(0, int(min(ay, by, cy)) - 1), min(height - 1, int(max(ay, by, cy)) + 2) + 1):
            for x in range(max(0, int(min(ax, bx, cx)) - 1), min(width - 1, int(max(ax, bx, cx)) + 2) + 1):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                wb = (px * (cy - ay) - py * (cx - ax)) / doubled
                wc = ((bx - ax) * py - (by - ay) * px) / doubled
                wa = 1.0 - wb - wc
                inside = min(wa, wb, wc)
                if inside < slack or (inside < 0.0 and owner_HW[y, x] >= 0):
                    continue
                owner_HW[y, x] = owner_T[t]
                for k in range(attributes_VD.shape[1]):
                    image_HWD[y, x, k] = (
                        wa * attributes_VD[a, k] + wb * attributes_VD[b, k] + wc * attributes_VD[c, k]
                    )
