"""The compiled loops over vertices: sparse blending, normals, relief, pose and shading.

Legend: V vertices, T triangles, K targets, E sparse entries, D = 3, C = 3 colours, N edges.
"""

import math

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.compiled import compiled

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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
    screen_VD: Float32,
    shadow: Float32,
    light_VC: Float32,
    gloss_V: Float32,
) -> None:
    """Write the light (factor per colour) and the gloss (grey levels) of each vertex.

    Skin is darker in furrows and where it is compressed against the person's neutral face: both are read
    off the moved mesh, never off a label. `shadow` is a soft edge on the screen: direction (x, y), the place
    along it where shade begins and the length of its edge in pixels, and its darkness (0-1).
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
            max(np.float32(1.0) - area_V[v] / (neutral_area_V[v] + np.float32(1e-9)), np.float32(-0.12)),
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
        within = (shadow[0] * screen_VD[v, 0] + shadow[1] * screen_VD[v, 1] - shadow[2]) / shadow[3]
        within = min(max(within, np.float32(0.0)), np.float32(1.0))
        lit = np.float32(1.0) - shadow[4] * within
        gloss_V[v] = gloss * shine_V[v] * power * power * shade * lit
        for k in range(3):
            light_VC[v, k] = shade * (ambient_C[k] * sky + light_C[k] * diffuse * lit)
