import time

import pytest

from shards.pack.stopwatch import Stopwatch


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_stage_inside_another_is_counted_once() -> None:
    watch = Stopwatch()
    with watch.stage("outer"):
        burn(0.02)
        with watch.stage("inner"):
            burn(0.05)
    assert watch.seconds["inner"] == pytest.approx(0.05, abs=0.02)
    assert watch.seconds["outer"] == pytest.approx(0.02, abs=0.02)
