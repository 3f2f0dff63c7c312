import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, DISFA_ACTION_UNITS, unit_coefficients
from shards.synthetic.appearance import load_atlas
from shards.synthetic.generate import person_seed
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person
from shards.synthetic.render import FACE_HEIGHT_DECIMETRES, FACE_MIDDLE_Y, Renderer, rotation_matrix
from shards.synthetic.scene import Scene, draw_scene, plain
from shards.synthetic.sheet import still

SIZE = 224
PEOPLE = range(3)
STILL = np.zeros(3, np.float32)
UPPER, LOWER = (1, 2, 4, 5, 7, 43, 45), (10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
# A pixel has changed when a colour moved by more than this many grey levels of 255.
VISIBLE_GREY_LEVELS, VISIBLE_PIXELS_AT_5, VISIBLE_PIXELS_AT_2 = 15, 150, 40


def scene_of(index: int) -> Scene:
    return plain(draw_scene(np.random.default_rng(index), 1, 1.0, SIZE))


@cache
def renderer_of(index: int) -> Renderer:
    return Renderer(make_person(person_seed("disfa", 5, index)), scene_of(index), SIZE)


@cache
def picture(index: int, unit: int, intensity: float) -> NDArray[np.uint8]:
    coefficients = unit_coefficients(still(unit, intensity), load_head().expressions.names)[0]
    return renderer_of(index).render(coefficients, STILL, STILL)


def change(index: int, unit: int, intensity: float) -> NDArray[np.int64]:
    difference = picture(index, unit, intensity).astype(int) - picture(index, ACTION_UNITS[0], 0.0)
    return np.asarray(np.abs(difference).max(axis=-1))


@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_every_unit_can_be_seen(unit: int) -> None:
    for index in PEOPLE:
        assert (change(index, unit, 5.0) > VISIBLE_GREY_LEVELS).sum() > VISIBLE_PIXELS_AT_5
        if unit in DISFA_ACTION_UNITS:
            assert (change(index, unit, 2.0) > VISIBLE_GREY_LEVELS).sum() > VISIBLE_PIXELS_AT_2


@pytest.mark.parametrize("unit", UPPER + LOWER)
def test_units_move_their_own_half_of_the_face(unit: int) -> None:
    for index in PEOPLE:
        scene = scene_of(index)
        middle_of_nose = scene.centre_y + scene.face_height * (FACE_MIDDLE_Y + 0.3) / FACE_HEIGHT_DECIMETRES
        moved = change(index, unit, 5.0)
        upper_share = moved[: int(middle_of_nose * SIZE)].sum() / moved.sum()
        assert upper_share > 0.75 if unit in UPPER else upper_share < 0.4


def test_disfa_units_change_the_picture_differently() -> None:
    changes = []
    for unit in DISFA_ACTION_UNITS:
        moved = picture(0, unit, 5.0).astype(float) - picture(0, unit, 0.0)
        changes.append(moved.ravel() / np.linalg.norm(moved))
    likeness = np.array(changes) @ np.array(changes).T - np.eye(len(changes))
    assert likeness.max() < 0.85


@pytest.mark.parametrize("unit", [43, 45])
def test_lids_close(unit: int) -> None:
    head, names = load_head(), load_head().expressions.names
    eyes = np.isin(load_atlas().part_SS, [head.part_names.index(part) for part in ("eye_left", "eye_right")])
    only_eyes = np.zeros_like(make_person(person_seed("disfa", 5, 0)).atlas_HWC)
    only_eyes[: len(eyes)][eyes] = 255
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    for index in range(8):
        person = replace(make_person(person_seed("disfa", 5, index)), atlas_HWC=only_eyes, lenses=None)
        renderer = Renderer(person, replace(scene_of(index), background_HWC=black, gloss=0.0), SIZE)
        seen = [
            int(
                (renderer.render(unit_coefficients(still(unit, x), names)[0], STILL, STILL) > 20)
                .any(axis=-1)
                .sum()
            )
            for x in (0.0, 2.5, 5.0)
        ]
        assert seen[0] > seen[1] > seen[2]
        assert seen[0] > 60
        assert seen[2] <= 0.05 * seen[0]


def test_picture_follows_the_pose() -> None:
    renderer, none = renderer_of(0), np.zeros(len(load_head().expressions.names), np.float32)
    straight, turned, again = (
        renderer.render(none, np.array([0, yaw, 0], np.float32), STILL) for yaw in (0, 0.4, 0)
    )
    np.testing.assert_array_equal(straight, again)
    assert np.abs(straight.astype(int) - turned).mean() > 2


def test_frames_count_up_from_the_one_drawn_last() -> None:
    scene = draw_scene(np.random.default_rng(1), 8, 25.0, 64)
    scene = replace(scene, camera=replace(scene.camera, noise=5.0))
    renderer = Renderer(make_person(1), scene, 64)
    none = np.zeros(len(load_head().expressions.names), np.float32)
    first, second = (renderer.render(none, STILL, STILL) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(renderer.render(none, STILL, STILL, frame=0), first)
    np.testing.assert_array_equal(renderer.render(none, STILL, STILL), second)


def test_rendering_is_many_times_faster_than_video() -> None:
    scene, none = scene_of(0), np.zeros(len(load_head().expressions.names), np.float32)
    renderer = Renderer(make_person(person_seed("disfa", 5, 0)), scene, SIZE)
    renderer.render(none, STILL, STILL)
    begin = time.process_time()
    for _ in range(30):
        renderer.render(none, STILL, STILL)
    # About 190 frames a second of one core here; the bound leaves room for slower machines.
    assert 30 / (time.process_time() - begin) > 60


def test_rotation_matrix_is_a_rotation() -> None:
    matrix = rotation_matrix(np.array([0.2, -0.4, 0.1], np.float32))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
    to_the_left = rotation_matrix(np.array([0, 0.5, 0], np.float32)) @ np.array([0, 0, 1])
    assert to_the_left[0] > 0
