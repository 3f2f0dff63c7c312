"""Head gestures, which mean nothing for the labels: nods, shakes and tilts.

Legend: T frames, D = 3 (pitch, yaw, roll in radians).
"""

import numpy as np
from numpy.typing import NDArray

EVENTS_PER_MINUTE = {"nod": 3.0, "shake": 2.0, "tilt": 2.5}
AXIS = {"nod": 0, "shake": 1, "tilt": 2}


def draw_gestures(random: np.random.Generator, time_seconds_T: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rotation (T, 3) that gestures add; nods and shakes swing, tilts are held."""
    rotation = np.zeros((len(time_seconds_T), 3))
    length = (time_seconds_T[-1] if len(time_seconds_T) else 0.0) + 2.0
    for gesture, per_minute in EVENTS_PER_MINUTE.items():
        for start in random.uniform(-2.0, length - 2.0, random.poisson(per_minute * length / 60)):
            elapsed, sign = time_seconds_T - start, random.choice((-1.0, 1.0))
            if gesture == "tilt":
                held, size = random.uniform(0.8, 3.0), random.uniform(0.06, 0.16)
                swing = np.ones_like(elapsed)
            else:
                held, rate = random.uniform(0.5, 1.6), random.uniform(1.0, 1.6)
                size = random.uniform(0.04, 0.10)
                swing = np.sin(2 * np.pi * rate * elapsed)
            rise = np.clip(elapsed / 0.4, 0, 1) * np.clip((held + 0.8 - elapsed) / 0.4, 0, 1)
            rotation[:, AXIS[gesture]] += sign * size * swing * rise * rise * (3 - 2 * rise)
    return rotation
