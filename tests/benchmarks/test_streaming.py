"""The table on streaming: its arithmetic, and the whole command at a tiny size."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.streaming.__main__ import main
from tests.benchmarks.streaming.contest import OURS, Sides, ratio
from tests.benchmarks.streaming.measure import Ask, answer
from tests.benchmarks.streaming.report import CLIPS

ASK = Ask(OURS, "", "", frames=2, pixels=8, batch=3, steps=4, skip=1)


def batches(frames: int = 2):
    number = 0
    while True:
        yield [f"k{number + i}" for i in range(3)], np.full((3, frames, 8, 8, 3), number, np.uint8)
        number += 3


def test_ratios_are_of_rates_within_a_round_and_their_median():
    rounds = [
        {
            "a": {"frames": 8, "wall_seconds": 1.0, "cpu_seconds": 2.0},
            "b": {"frames": 4, "wall_seconds": wall},
        }
        for wall in (0.25, 2.0, 5.0)
    ]
    assert ratio(rounds, "a", "b") == 4.0


def test_only_the_timed_batches_count():
    source = batches()
    found = answer(ASK, source, epoch_clips=12)
    assert (found["clips"], found["frames"]) == (12, 24)
    assert next(source)[0][0] == "k15"


def test_frames_of_another_size_are_no_result():
    with pytest.raises(RuntimeError, match=r"12 clips of \(3, 5, 8, 8, 3\) uint8, wanted \(3, 2, 8, 8, 3\)"):
        answer(ASK, batches(frames=5), epoch_clips=12)


def test_an_epoch_has_a_digest_of_each_clip():
    digests = answer(replace(ASK, check=True), batches(), epoch_clips=9)["crc32"]
    assert list(digests) == [f"k{number}" for number in range(9)]
    assert len(set(digests.values())) == 3


def test_other_pixels_than_ours_stop_the_comparison():
    class Told(Sides):
        def read(self, ask):
            return {"crc32": {"k0": 1, "k1": 2 if ask.side == OURS else 3}}

    sides = Told({OURS: ASK, "peer": replace(ASK, side="peer")}, sys.executable)
    with pytest.raises(RuntimeError, match="peer gives other pixels than we do in 1 of 2 clips"):
        sides.check()


def test_the_command_makes_a_dated_table(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.streaming", "--work", str(tmp_path / "work")),
            *("--out", str(tmp_path / "out"), "--rounds", "1", "--peers", "webdataset"),
            *("--size", "samples=16", "frames=40", "pixels=64", "units=4", "people=3", "clip=4", "batch=4"),
            *("whole_batch=0", "steps=3", "skip=1", "workers=[0]", "fetch_workers=[2]", "start_steps=[1000]"),
            *("wide_rows=1000", "wide_unit_rows=16", "wide_batch=4", "planned=40"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [result] = (tmp_path / "out").glob("streaming-*.json")
    content = json.loads(result.read_text())
    assert set(content["local"]) == {CLIPS}
    for rounds in content["local"].values():
        assert set(rounds[0]) == {OURS, "webdataset"}
        assert all(side["wall_seconds"] > 0 for side in rounds[0].values())
    assert {one["bytes"] > 500_000 for one in content["fetching"][0].values()} == {True}
    assert content["ratios"]["loader: S3 through a proxy, 30 ms more / local"] > 0
    assert content["amounts"]["whole samples"]["bytes_decoded"] > 500_000
    assert content["ratios"]["fetched / decoded: whole samples"] < 1.2
    assert content["starts"][0]["step"] == 1000
    assert content["starts"][0]["seconds"] < 5
    assert content["plans"][0]["rows"] == 63 * 16
    assert 50e6 < content["plans"][0]["peak_bytes"] < 1e9
    assert str(tmp_path) not in result.read_text()


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--rounds: found 0, wanted at least 1"):
        main(["--work", str(tmp_path), "--rounds", "0"])
