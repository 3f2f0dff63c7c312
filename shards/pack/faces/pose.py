"""How far a face is turned, and how large it is, from its 5 landmarks.

A weak-perspective camera sees a mean face: landmarks = scale * (two rows of a rotation) * points + shift. The
best affine camera is one matrix product; the scaled rotation nearest to it gives pose and scale.

Axes: T frames, 5 landmarks (eyes, nose tip, mouth corners; the subject's right first) of x, y.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# In eye distances from the middle of the eyes: x to the viewer's right, y down, z away from the viewer. x and
# y are those of a common mean face, as in the crop template; depths those of the generated faces' CC0 head.
MEAN_FACE = np.array(
    [
        [-0.5, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.0, 0.57, -0.47],
        [-0.415, 1.155, -0.04],
        [0.415, 1.155, -0.04],
    ]
)
_CENTRED = MEAN_FACE - MEAN_FACE.mean(axis=0)
_TO_CAMERA = np.linalg.pinv(_CENTRED)


@dataclass(frozen=True, eq=False)
class Pose:
    """Of a face in T frames."""

    yaw_degrees_T: NDArray[np.float64]
    """0 is towards the camera, +-90 is a profile; positive to the person's left."""
    eye_pixels_T: NDArray[np.float64]
    """Between the eyes, were the face turned towards the camera."""


def fit_pose(landmarks_T52: NDArray[np.float64]) -> Pose:
    """Pose and size in pixels of the landmarks; of five equal landmarks 0 and 0."""
    centred_T52 = landmarks_T52 - landmarks_T52.mean(axis=1, keepdims=True)
    camera_T32 = _TO_CAMERA @ centred_T52
    # The nearest rotation has the same third row: its first entry tells how much one eye is nearer.
    depth_T3 = np.cross(camera_T32[..., 0], camera_T32[..., 1])
    area_T = np.linalg.norm(depth_T3, axis=1)
    nearer_T = np.divide(depth_T3[:, 0], area_T, out=np.zeros_like(area_T), where=area_T > 0)
    # The mean of the two singular values, from the sums of their squares and their product.
    scale_T = np.sqrt((camera_T32**2).sum(axis=(1, 2)) + 2 * area_T) / 2
    return Pose(np.degrees(np.arcsin(np.clip(nearer_T, -1, 1))), scale_T)
