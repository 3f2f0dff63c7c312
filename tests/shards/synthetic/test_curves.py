import numpy as np
import pytest
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, DISFA_ACTION_UNITS, MAX_INTENSITY, Performance
from shards.synthetic.curves import PARTED_BY, envelope, perform

FPS = 20


@pytest.fixture(scope="module")
def half_hour() -> Performance:
    return perform(np.random.default_rng(0), 1800 * FPS, FPS, speech_share=0.1)


def column(performance: Performance, unit: int) -> NDArray[np.float32]:
    return performance.intensity_TA[:, ACTION_UNITS.index(unit)]


def test_intensities_are_continuous_within_the_scale(half_hour: Performance) -> None:
    assert half_hour.intensity_TA.min() == 0
    assert half_hour.intensity_TA.max() <= MAX_INTENSITY
    assert len(np.unique(column(half_hour, 12))) > 1000


def test_every_labelled_unit_occurs_but_not_mostly(half_hour: Performance) -> None:
    for unit in DISFA_ACTION_UNITS:
        rate = (np.rint(column(half_hour, unit)) >= 2).mean()
        assert 0.02 < rate < 0.35, f"AU {unit} is at 2 or more in {rate:.1%} of the frames"


@pytest.mark.parametrize(("first", "second"), [(6, 12), (1, 2), (25, 26)])
def test_units_that_belong_together_occur_together(half_hour: Performance, first: int, second: int) -> None:
    present = [column(half_hour, unit) >= 1.5 for unit in (first, second)]
    assert np.asarray(np.corrcoef(present))[0, 1] > 0.25


def test_what_parts_the_lips_is_in_the_truth_of_25() -> None:
    talking = perform(np.random.default_rng(1), 120 * FPS, FPS, speech_share=0.9)
    for unit, share in PARTED_BY.items():
        assert (column(talking, 25) >= share * column(talking, unit) - 1e-5).all()
    silent = perform(np.random.default_rng(1), 120 * FPS, FPS, speech_share=0.0)
    assert column(talking, 25).mean() > 1.5 * column(silent, 25).mean()


def test_blinks_are_short_and_close_fully(half_hour: Performance) -> None:
    closed = column(half_hour, 45) > 0.5 * MAX_INTENSITY
    num_blinks = (np.diff(closed.astype(int)) == 1).sum()
    assert 8 * 30 < num_blinks < 24 * 30
    assert closed.sum() / num_blinks / FPS < 0.4


def test_envelope_rises_holds_and_falls() -> None:
    curve = envelope(np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0]), onset=0.5, apex=1.0, offset=0.5)
    np.testing.assert_allclose(curve, [0, 0, 0.5, 1, 1, 1, 0, 0], atol=1e-9)


def test_one_frame_is_a_video() -> None:
    assert perform(np.random.default_rng(2), 1, FPS, 0.5).intensity_TA.shape == (1, len(ACTION_UNITS))
