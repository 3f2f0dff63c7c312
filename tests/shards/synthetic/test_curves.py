import numpy as np
import pytest
from numpy.typing import NDArray

from shards.synthetic.action_units import ACTION_UNITS, MAX_INTENSITY, Performance
from shards.synthetic.curves import PARTED_BY, Display, envelope, perform

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


# Shares of frames at intensity 2 or more, and correlations of that, as often found in spontaneous faces.
RATES_WANTED = {
    12: 0.22, 25: 0.19, 6: 0.15, 7: 0.14, 1: 0.13, 4: 0.12, 2: 0.12, 26: 0.12, 10: 0.11, 14: 0.08, 17: 0.06,
    9: 0.06, 15: 0.04, 23: 0.04, 24: 0.04, 5: 0.03, 20: 0.02, 43: 0.01,
}  # fmt: skip


@pytest.fixture(scope="module")
def many_hours() -> list[Performance]:
    return [perform(np.random.default_rng(seed), 600 * 5, 5, speech_share=0.1) for seed in range(24)]


def present(performances: list[Performance], unit: int) -> NDArray[np.bool_]:
    return np.concatenate([np.rint(column(performance, unit)) >= 2 for performance in performances])


def test_units_are_as_unequal_as_in_life(many_hours: list[Performance]) -> None:
    found = {unit: present(many_hours, unit).mean() for unit in RATES_WANTED}
    for unit, wanted in RATES_WANTED.items():
        assert found[unit] == pytest.approx(wanted, rel=0.25, abs=0.01), f"AU {unit}"


@pytest.mark.parametrize(
    # A dropped jaw parts the lips of this head, so 25 and 26 go together more than the .31 of real faces.
    ("first", "second", "low", "high"),
    [(6, 12, 0.33, 0.53), (1, 2, 0.43, 0.63), (25, 26, 0.31, 0.7), (23, 24, -0.05, 0.1)],
)
def test_units_that_belong_together_occur_together(
    many_hours: list[Performance], first: int, second: int, low: float, high: float
) -> None:
    both = [present(many_hours, unit) for unit in (first, second)]
    assert low < np.corrcoef(both)[0, 1] < high


def test_a_display_takes_members_by_their_chance() -> None:
    display = Display(30.0, ((12, 1.0), (6, 0.5), (9, 0.0)))
    shown = perform(np.random.default_rng(0), 1200 * FPS, FPS, 0.0, (display,))
    rates = {unit: (column(shown, unit) > 0).mean() for unit in (12, 6, 9, 4)}
    assert rates[12] > 1.3 * rates[6] > 0
    assert rates[9] == rates[4] == 0


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
