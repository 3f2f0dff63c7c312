import numpy as np
import pytest

from finetune.extremes import extremes
from finetune.pages.extremes import extremes_section, wanted_frames
from finetune.predictions import Predictions, track_of
from shards.pack.faces.encode import encode

EACH = 8


@pytest.fixture
def frames():
    """Three people of two tracks; who is read how well is known."""
    rng = np.random.default_rng(0)
    person_F = np.repeat(["a", "b", "c"], 2 * EACH)
    label_FA = rng.integers(0, 2, (len(person_F), 2)).astype(np.int8) * 3
    step_F = np.select([person_F == "a", person_F == "b"], [0.1, 0.5], 1.0)
    value_FA = (label_FA + step_F[:, None]).astype(np.float32)
    value_FA[5] += [0.0, 2.0]
    return Predictions(
        "intensity",
        ["AU1", "AU2"],
        person_F.tolist(),
        [f"{p}-{f // EACH:03d}-{f % EACH // 4:03d}" for f, p in enumerate(person_F)],
        np.arange(len(person_F)) % 4,
        np.tile(np.arange(EACH) / 20, 6),
        value_FA,
        label_FA,
    )


def test_worst_and_best_are_one_frame_of_a_person_by_mean_error(frames):
    found = extremes(frames)
    assert [one.person for one in found.worst] == ["a", "c", "b"]
    assert found.worst[0].error == pytest.approx(0.1 + 2.0 / 2)
    assert (found.worst[0].key, found.worst[0].frame_index) == (frames.key_F[5], 1)
    assert found.worst[0].label == "AU2"
    assert [one.person for one in found.best] == ["a", "b", "c"]
    assert all(one.true == 3 for one in found.best)
    assert len(extremes(frames, each=1).worst) == 1


def test_the_timeline_is_of_the_frames_own_track(frames):
    one = extremes(frames).worst[0]
    mine = [f for f, key in enumerate(frames.key_F) if track_of(key) == track_of(one.key)]
    assert len(mine) == EACH == len(one.time_T)
    np.testing.assert_array_equal(one.predicted_T, frames.value_FA[mine, 1])
    assert (np.diff(one.time_T) > 0).all()


def test_frames_that_nobody_coded_are_none(frames):
    label_FA = frames.label_FA.copy()
    label_FA[5] = -1
    without = Predictions(**{**vars(frames), "label_FA": label_FA})
    found = extremes(without)
    assert (found.worst[0].person, found.worst[0].error) == ("c", pytest.approx(1.0))
    assert np.isnan(extremes(Predictions(**{**vars(frames), "label_FA": label_FA})).best[0].true_T).sum() <= 1
    assert extremes(Predictions(**{**vars(frames), "label_FA": np.full_like(label_FA, -1)})) is None


def test_the_section_has_a_chart_and_a_picture_of_each(frames):
    found = extremes(frames)
    jpeg = encode(np.full((32, 32, 3), 99, np.uint8))
    pictures = dict.fromkeys(wanted_frames(found), jpeg)
    html = extremes_section("init=clp", found, pictures).html
    assert html.count("<svg") == html.count("<img") == 6
    assert "a, AU2: true" in html
    assert extremes_section("init=clp", found, {}).html.count("<img") == 0
