"""What a clip may be."""

import pytest

from shards.batch import ClipSpec


def test_extra_frames_count():
    assert ClipSpec(7, (0.1, 0.2), extra_frames=2).total_frames == 9
    assert ClipSpec(64, whole=True).total_frames == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, r"num_frames >= 1 and extra_frames >= 0, found 0 and 0"),
        ({"num_frames": 3, "extra_frames": -1}, r"found 3 and -1"),
        ({"num_frames": 3, "gap_seconds": (0.0, 0.1)}, r"needs 0 < low <= high, found \(0.0, 0.1\)"),
        ({"num_frames": 3, "gap_seconds": (0.2, 0.1)}, r"needs 0 < low <= high, found \(0.2, 0.1\)"),
        ({"num_frames": 3, "whole": True, "extra_frames": 1}, r"whole sample has neither .* leave them out"),
        (
            {"num_frames": 3, "whole": True, "gap_seconds": (0.1, 0.1)},
            r"neither gap_seconds nor extra_frames",
        ),
    ],
)
def test_clips_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClipSpec(**arguments)


def test_one_gap_is_a_range_of_its_own():
    assert ClipSpec(1, (0.1, 0.1)).gap_seconds == (0.1, 0.1)
