"""How a face moves in time: action-unit events, blinks, speech and gaze.

Legend: T frames, A action units (order of `action_units.ACTION_UNITS`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY, Performance


@dataclass(frozen=True)
class Display:
    """Movements that begin together: `per_minute` times, each of `members` (AU, chance) by its chance.

    The first member that takes part sets the height; the others come near it.
    """

    per_minute: float
    members: tuple[tuple[int, float], ...]


# Events per minute that an action unit starts by itself, and what joins it by which chance. Together they
# give about the rates and the co-occurrence of spontaneous faces (the test of this file has both).
EVERYDAY_PER_MINUTE: Mapping[int, float] = {
    1: 3.8, 2: 2.7, 4: 3.9, 5: 1.1, 6: 2.7, 7: 4.0, 9: 2.3, 10: 3.7, 12: 8.8, 14: 3.1, 15: 1.4, 17: 1.6,
    20: 0.75, 23: 1.5, 24: 1.5, 25: 0.1, 26: 4.1, 43: 0.4,
}  # fmt: skip
COMPANIONS: Mapping[int, tuple[tuple[int, float], ...]] = {
    1: ((2, 0.5),), 2: ((1, 0.45),), 4: ((7, 0.3),), 5: ((1, 0.35), (2, 0.35)), 6: ((7, 0.25),),
    9: ((4, 0.4), (10, 0.3)), 10: ((25, 0.1),), 12: ((6, 0.45), (25, 0.1)), 15: ((17, 0.5),),
    20: ((25, 0.3),),
}  # fmt: skip
EVERYDAY = tuple(
    Display(per_minute, ((unit, 1.0), *COMPANIONS.get(unit, ())))
    for unit, per_minute in EVERYDAY_PER_MINUTE.items()
)
BLINKS_PER_MINUTE = 16.0
# A dropped jaw, a raised upper lip and a wrinkled nose part the lips of this head: AU 25 is never lower than
# this share of them. The shares were measured: as much of the mouth's inside shows as with that AU 25 alone.
PARTED_BY: Mapping[int, float] = {26: 0.8, 10: 0.65, 9: 0.23}


def perform(
    random: np.random.Generator,
    num_frames: int,
    fps: float,
    speech_share: float,
    displays: Sequence[Display] = EVERYDAY,
) -> Performance:
    """Draw the movement of a video.

    Args:
        random: where all draws come from.
        num_frames: T.
        fps: frames per second.
        speech_share: the part of the time spent talking, 0-1.
        displays: what the face does, and how often.
    """
    time = np.arange(num_frames) / fps
    intensity = np.zeros((num_frames, len(ACTION_UNITS)))
    imbalance = np.zeros_like(intensity)
    for display in displays:
        for start in _starts(random, time, display.per_minute):
            _play(random, time, start, display, intensity, imbalance)
    _blink(random, time, intensity)
    talking = _speech_envelope(random, time, speech_share)
    syllable = _syllables(random, time)
    jaw, parting = ACTION_UNITS.index(26), ACTION_UNITS.index(25)
    # Speech moves the jaw and parts the lips by the same units, so it is part of their truth.
    intensity[:, jaw] = np.maximum(intensity[:, jaw], 2.4 * talking * syllable)
    intensity[:, parting] = np.maximum(
        intensity[:, parting], talking * (1.0 + 1.8 * _syllables(random, time))
    )
    for unit, share in PARTED_BY.items():
        intensity[:, parting] = np.maximum(
            intensity[:, parting], share * intensity[:, ACTION_UNITS.index(unit)]
        )
    gaze_x, gaze_y = _gaze(random, time), 0.6 * _gaze(random, time)
    rounding = talking * _syllables(random, time)
    nuisance = {
        "mouthFunnel": 0.35 * rounding,
        "mouthPucker": 0.35 * talking * _syllables(random, time) * (1 - rounding),
        "eyeLookOutLeft": np.maximum(gaze_x, 0), "eyeLookInRight": np.maximum(gaze_x, 0),
        "eyeLookInLeft": np.maximum(-gaze_x, 0), "eyeLookOutRight": np.maximum(-gaze_x, 0),
        "eyeLookUp": np.maximum(gaze_y, 0), "eyeLookDown": np.maximum(-gaze_y, 0),
    }  # fmt: skip
    return Performance(
        np.clip(intensity, 0, MAX_INTENSITY).astype(np.float32),
        np.clip(imbalance, -1, 1).astype(np.float32),
        {name: curve.astype(np.float32) for name, curve in nuisance.items()},
    )


def _starts(random: np.random.Generator, time: NDArray[np.float64], per_minute: float) -> NDArray[np.float64]:
    """Poisson events, from two seconds before the video, so that it may begin within one."""
    length = (time[-1] if len(time) else 0.0) + 2.0
    return np.asarray(random.uniform(-2.0, length - 2.0, random.poisson(per_minute * length / 60)))


def _play(
    random: np.random.Generator,
    time: NDArray[np.float64],
    start: float,
    display: Display,
    intensity_TA: NDArray[np.float64],
    imbalance_TA: NDArray[np.float64],
) -> None:
    """Add one display; overlapping movements of a unit take the larger one."""
    onset, apex, offset = random.uniform(0.25, 0.8), random.gamma(2.0, 0.6), random.uniform(0.35, 1.2)
    peak = 1.0 + 4.0 * random.beta(1.3, 1.3)
    share, delay = 1.0, 0.0
    for unit, chance in display.members:
        if random.random() >= chance:
            continue
        begin = start + delay
        # Only the frames of the movement: a long video has thousands of them.
        during = slice(*np.searchsorted(time, (begin, begin + onset + apex + offset)))
        curve = peak * share * envelope(time[during] - begin, onset, apex, offset)
        column = ACTION_UNITS.index(unit)
        louder = curve > intensity_TA[during, column]
        intensity_TA[during, column][louder] = curve[louder]
        imbalance_TA[during, column][louder] = random.normal(0, 0.12)
        share, delay = random.uniform(0.55, 1.1), random.normal(0, 0.12)


def envelope(elapsed: NDArray[np.float64], onset: float, apex: float, offset: float) -> NDArray[np.float64]:
    """Return 0-1: a smooth rise over `onset` seconds, a hold of `apex`, a smooth fall over `offset`."""
    rise = np.clip(elapsed / onset, 0, 1)
    fall = np.clip((elapsed - onset - apex) / offset, 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise) * (1 - fall * fall * (3 - 2 * fall)))


def _blink(random: np.random.Generator, time: NDArray[np.float64], intensity_TA: NDArray[np.float64]) -> None:
    column = ACTION_UNITS.index(45)
    for start in _starts(random, time, BLINKS_PER_MINUTE):
        curve = MAX_INTENSITY * envelope(
            time - start, 0.08, random.uniform(0.02, 0.08), random.uniform(0.1, 0.18)
        )
        intensity_TA[:, column] = np.maximum(intensity_TA[:, column], curve)


def _speech_envelope(
    random: np.random.Generator, time: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Return 0-1: phrases of one to four seconds that fill about `share` of the time."""
    talking = np.zeros(len(time))
    at, end = random.uniform(-3.0, 0.0), (time[-1] if len(time) else 0.0)
    while share > 0 and at < end:
        length = random.uniform(1.0, 4.0)
        talking = np.maximum(talking, envelope(time - at, 0.15, length, 0.25))
        at += length + random.exponential(2.5 * (1 - share) / share)
    return talking


def _syllables(random: np.random.Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0-1: openings three to five times a second, of uneven height."""
    rate, wander = random.uniform(3.0, 5.0), random.uniform(0.2, 0.5)
    phase = 2 * np.pi * (rate * time + 0.6 * np.sin(2 * np.pi * wander * time + random.uniform(0, 6.28)))
    height = 0.6 + 0.4 * np.sin(2 * np.pi * 0.9 * time + random.uniform(0, 6.28))
    return np.asarray((0.5 - 0.5 * np.cos(phase)) ** 1.3 * height)


def _gaze(random: np.random.Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -0.7 to 0.7: fixations of about a second with quick jumps between them."""
    gaze, at, held = np.zeros(len(time)), 0.0, random.normal(0, 0.2)
    end = time[-1] if len(time) else 0.0
    gaze += held
    while at < end:
        at += random.exponential(1.2) + 0.2
        target = float(np.clip(random.normal(0, 0.25), -0.7, 0.7))
        gaze += (target - held) * np.clip((time - at) / 0.06, 0, 1)
        held = target
    return gaze
