"""What a face does in a task that is to elicit an emotion: everyday movements, and displays of the emotion.

A display starts some of the emotion's action units together, never all of them for certain, and the everyday
movements go on below it: the task tells something about the units of a frame, and not which they are. The
units of each emotion follow common descriptions of prototypes; chances and rates are this project's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shards.synthetic.action_units import Performance
from shards.synthetic.curves import EVERYDAY, Display, perform


@dataclass(frozen=True)
class Emotion:
    """How an emotion shows: its display, and how much of the time its task has people talk."""

    display: Display
    speech_share: float


EMOTIONS: Mapping[str, Emotion] = {
    "happiness": Emotion(Display(19, ((12, 0.95), (6, 0.75), (25, 0.5), (7, 0.3), (10, 0.3))), 0.3),
    "sadness": Emotion(Display(15, ((1, 0.7), (4, 0.65), (15, 0.6), (17, 0.5), (7, 0.2))), 0.05),
    "startle": Emotion(Display(14, ((1, 0.6), (2, 0.6), (5, 0.5), (25, 0.6), (26, 0.5), (12, 0.25))), 0.05),
    "surprise": Emotion(Display(15, ((1, 0.65), (2, 0.65), (5, 0.35), (26, 0.4), (12, 0.35))), 0.1),
    "embarrassment": Emotion(Display(17, ((12, 0.75), (14, 0.6), (24, 0.4), (17, 0.4), (6, 0.35))), 0.3),
    "fear": Emotion(Display(15, ((1, 0.6), (2, 0.4), (4, 0.55), (5, 0.4), (20, 0.45), (25, 0.4))), 0.1),
    "pain": Emotion(
        Display(19, ((4, 0.65), (7, 0.65), (6, 0.55), (10, 0.5), (9, 0.4), (43, 0.2), (12, 0.2))), 0.1
    ),
    "anger": Emotion(Display(15, ((4, 0.7), (7, 0.55), (23, 0.5), (24, 0.45), (5, 0.25), (14, 0.2))), 0.25),
    "disgust": Emotion(Display(19, ((10, 0.65), (9, 0.6), (4, 0.5), (17, 0.5), (15, 0.35), (7, 0.3))), 0.05),
    "scepticism": Emotion(Display(15, ((14, 0.6), (2, 0.45), (1, 0.3), (24, 0.35), (12, 0.35))), 0.4),
}
EVERYDAY_SHARE = 0.5
"""How often everyday movements come during a task, of how often they come otherwise."""
BELOW = tuple(Display(EVERYDAY_SHARE * display.per_minute, display.members) for display in EVERYDAY)


def perform_task(random: np.random.Generator, num_frames: int, fps: float, emotion: str) -> Performance:
    """Draw the movement of a video of a task that is to elicit `emotion`, one of `EMOTIONS`."""
    shown = EMOTIONS[emotion]
    return perform(random, num_frames, fps, shown.speech_share, (*BELOW, shown.display))
