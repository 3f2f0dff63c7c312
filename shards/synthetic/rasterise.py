"""The compiled loops over pixels: a z-buffer with a texture, clear glass, and attributes over a flat layout.

Legend: V vertices, U texture vertices, T triangles, D = 3, C = 3 colours, H x W pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.compiled import compiled

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]


@compiled
def _read_between(atlas_HWC: UInt8, u: float, v: float, k: int) -> float:
    """Return colour k of the atlas at column u and row v, bilinearly."""
    column, row = int(u), int(v)
    right, below = u - np.float32(column), v - np.float32(row)
    upper = (1 - right) * atlas_HWC[row, column, k] + right * atlas_HWC[row, column + 1, k]
    lower = (1 - right) * atlas_HWC[row + 1, column, k] + right * atlas_HWC[row + 1, column + 1, k]
    return float((1 - below) * upper + below * lower)


@compiled
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


@compiled
def fill_glass(
    screen_VD: Float32, triangles_T3: Int32, add_V: Float32, keep: float, depth_HW: Float32, image_HWC: UInt8
) -> None:
    """Lay clear triangles over the picture: a pixel is `keep` of what is behind plus light in grey levels.

    Both faces of a triangle are seen, hidden ones are not, and depth stays, so that nothing vanishes behind.
    """
    height, width = depth_HW.shape
    for t in range(triangles_T3.shape[0]):
        a, b, c = triangles_T3[t, 0], triangles_T3[t, 1], triangles_T3[t, 2]
        ax, ay, bx, by = screen_VD[a, 0], screen_VD[a, 1], screen_VD[b, 0], screen_VD[b, 1]
        cx, cy = screen_VD[c, 0], screen_VD[c, 1]
        doubled = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(doubled) < 1e-6:
            continue
        for y in range(max(0, math.ceil(min(ay, by, cy) - 0.5)), min(height - 1, int(max(ay, by, cy))) + 1):
            for x in range(
                max(0, math.ceil(min(ax, bx, cx) - 0.5)), min(width - 1, int(max(ax, bx, cx))) + 1
            ):
                px, py = np.float32(x) + np.float32(0.5) - ax, np.float32(y) + np.float32(0.5) - ay
                wb = (px * (cy - ay) - py * (cx - ax)) / doubled
                wc = ((bx - ax) * py - (by - ay) * px) / doubled
                wa = np.float32(1.0) - wb - wc
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                if wa * screen_VD[a, 2] + wb * screen_VD[b, 2] + wc * screen_VD[c, 2] <= depth_HW[y, x]:
                    continue
                light = wa * add_V[a] + wb * add_V[b] + wc * add_V[c]
                for k in range(3):
                    value = keep * image_HWC[y, x, k] + light
                    image_HWC[y, x, k] = np.uint8(min(max(value, 0.0), 255.0))


@compiled
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
