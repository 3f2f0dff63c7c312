"""A task tells something about the units of a frame, and not which they are.

Legend: N frames of all tasks, A action units, K tasks.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.layouts import bp4d, bp4d_plus
from shards.layouts.bp4d_labels import AUS
from shards.synthetic.action_units import ACTION_UNITS
from shards.synthetic.activities import EMOTIONS, perform_task

FPS = 5
UNITS_OF = {
    "happiness": (6, 12), "sadness": (1, 4, 15, 17), "startle": (1, 2, 5, 26),
    "embarrassment": (12, 14, 17, 24), "fear": (1, 2, 4, 5, 20), "pain": (4, 6, 7, 9, 10, 43),
    "anger": (4, 7, 23, 24), "disgust": (4, 9, 10, 15, 17), "surprise": (1, 2, 26), "scepticism": (2, 14),
}  # fmt: skip


@pytest.fixture(scope="module")
def present() -> dict[str, NDArray[np.bool_]]:
    """(frames, all action units) of 40 minutes of each emotion's task: intensity A or more."""
    return {
        emotion: np.concatenate(
            [
                np.rint(perform_task(np.random.default_rng(seed), 240 * FPS, FPS, emotion).intensity_TA) >= 1
                for seed in range(10)
            ]
        )
        for emotion in EMOTIONS
    }


def test_every_task_has_its_emotion() -> None:
    wanted = {a.emotion for set_ in (bp4d, bp4d_plus) for a in set_.ACTIVITIES.values()}
    assert wanted == set(EMOTIONS) == set(UNITS_OF)


def test_an_emotion_s_units_come_more_often_in_its_task(present: dict[str, NDArray[np.bool_]]) -> None:
    average_A = np.mean([shown_TA.mean(axis=0) for shown_TA in present.values()], axis=0)
    for emotion, units in UNITS_OF.items():
        rates_A = present[emotion].mean(axis=0)
        for unit in units:
            column = ACTION_UNITS.index(unit)
            assert rates_A[column] > 1.25 * average_A[column], f"AU {unit} in {emotion}"


def test_no_unit_belongs_to_a_task_alone(present: dict[str, NDArray[np.bool_]]) -> None:
    for unit in AUS:
        rates_K = np.array([shown_TA[:, ACTION_UNITS.index(unit)].mean() for shown_TA in present.values()])
        assert rates_K.min() > 0.005, f"AU {unit}"
        assert rates_K.max() < 0.8, f"AU {unit}"


def entropy(rate: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Bits of a yes or no."""
    rate = np.asarray(rate)
    return np.asarray(-(rate * np.log2(rate) + (1 - rate) * np.log2(1 - rate)))


def test_the_task_carries_information_but_is_not_the_label(present: dict[str, NDArray[np.bool_]]) -> None:
    columns = [ACTION_UNITS.index(au) for au in AUS]
    tasks = [activity.emotion for activity in bp4d.ACTIVITIES.values()]
    rates_KA = np.stack([present[task][:, columns].mean(axis=0) for task in tasks])
    pooled_A = rates_KA.mean(axis=0)
    known_A = entropy(pooled_A) - entropy(rates_KA).mean(axis=0)
    assert known_A.min() > 0.02
    assert (known_A / entropy(pooled_A)).max() < 0.35
    # Guessing the task from a frame's units alone: far above one in eight, far from certain.
    shown_NA = np.concatenate([present[task][:, columns] for task in tasks])
    likely_NK = shown_NA @ np.log(rates_KA).T + (~shown_NA) @ np.log(1 - rates_KA).T
    truth_N = np.repeat(np.arange(len(tasks)), len(shown_NA) // len(tasks))
    assert 0.3 < (likely_NK.argmax(axis=1) == truth_N).mean() < 0.65
