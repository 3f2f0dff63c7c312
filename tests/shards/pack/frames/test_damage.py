"""Damage in the middle of real files: what is spoiled is left out and told, the rest is as it was."""

from pathlib import Path

import av
import numpy as np
import pytest

from shards.pack.frames.damage import LONGEST_WAIT, Damage
from tests.clips import face_frames
from tests.odd_videos import Form, Told, encode, read

GROUP = 12
X264 = {"crf": "18", "preset": "veryfast", "threads": "1", "g": str(GROUP), "bf": "2", "sc_threshold": "0"}
# File names, forms, and a packet in which noise is an error: most codecs would rather show anything.
CASES = [
    ("x.mkv", Form(options=X264), 12),
    ("x.mkv", Form(options=X264), 30),
    ("x.ts", Form(options=X264), 12),
    ("x.h264", Form(options=X264), 12),
    ("mpeg4.mp4", Form("mpeg4", options={"g": str(GROUP)}), 30),
    ("mpeg2.mpg", Form("mpeg2video", options={"g": str(GROUP)}), 12),
    ("mpeg2.mpg", Form("mpeg2video", options={"g": str(GROUP)}), 31),
]


def spoil(path: Path, packet: int) -> None:
    """Noise over a third of a packet, the first in which a decoder sees an error.

    Most noise is an error, but not all, and encoders write other bytes on other CPUs.
    """
    content = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [bytes(one) for one in container.demux(video=0) if one.size]
    third = len(packets[packet]) // 3
    place = content.find(packets[packet][third : third + 24])
    place = place if place > 0 else len(content) * packet // 60  # TS packets lie in pieces
    for seed in range(1, 20):
        noise = np.random.default_rng(seed).bytes(third)
        path.write_bytes(content[:place] + noise + content[place + third :])
        with av.open(str(path)) as container:
            if any(frame.is_corrupt for frame in container.decode(video=0)):
                return
    raise AssertionError("the decoder takes any noise")


@pytest.mark.parametrize(("name", "form", "packet"), CASES)
def test_a_corrupt_group_of_pictures(tmp_path: Path, name: str, form: Form, packet: int) -> None:
    path = encode(tmp_path / name, face_frames(60), form)
    whole, told = read(path)
    assert (len(whole), told) == (60, [])
    spoil(path, packet)
    found, told = read(path)
    lost = 60 - len(found)
    assert 0 < lost <= GROUP
    ((stage, reason, detail),) = told
    assert (stage, reason) == ("decode", "damaged_frames")
    assert detail.startswith(f"{lost} of 60 frames are damaged")
    assert found[-1].index == 59
    for frame in found:
        assert frame.time_seconds == pytest.approx(whole[frame.index].time_seconds)
        np.testing.assert_array_equal(frame.rgb_HWC, whole[frame.index].rgb_HWC)


class Picture:
    """The two facts of a decoded picture that count here."""

    def __init__(self, is_corrupt: bool = False, key_frame: bool = False) -> None:
        self.is_corrupt, self.key_frame = is_corrupt, key_frame


def test_a_whole_picture_is_not_waited_for_for_ever() -> None:
    """Streams that refresh themselves bit by bit have no key frames."""
    damage = Damage()
    assert damage.spoils(0, Picture(is_corrupt=True))
    spoiled = [damage.spoils(index, Picture()) for index in range(1, 1000)]
    assert spoiled == [True] * LONGEST_WAIT + [False] * (999 - LONGEST_WAIT)


def test_nothing_lost_is_nothing_told() -> None:
    damage, told = Damage(), Told()
    assert not damage.spoils(0, Picture())
    damage.tell_lost(1, lambda *words: told.append(words))
    assert told == []
