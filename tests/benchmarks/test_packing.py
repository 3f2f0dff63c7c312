"""The table on packing: its arithmetic, and the whole command at a tiny size."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise

import av
import pytest

from tests.benchmarks.packing.__main__ import main
from tests.benchmarks.packing.contender import Did
from tests.benchmarks.packing.films import FRONTAL, Film, frames_of, make_film, repeat
from tests.benchmarks.packing.rates import DECODE, PACK, PACK_TWO, Round, Run
from tests.benchmarks.packing.report import ratios, summary
from tests.benchmarks.packing.timing import Cost, timed
from tests.benchmarks.packing.tracking import Tracking
from tests.clips import face_clip

BURN = "import time; start = time.process_time()\nwhile time.process_time() - start < 0.3: pass"


def test_the_time_of_a_command_holds_its_children():
    parent = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {BURN!r}]).returncode)"
    cost, output = timed([sys.executable, "-c", parent])
    assert output == "0\n"
    assert 0.3 < cost.cpu_seconds < 3
    assert cost.wall_seconds > 0.3
    with pytest.raises(RuntimeError, match="ended with 3"):
        timed([sys.executable, "-c", "raise SystemExit(3)"])


def one_round(decode: float, pack: float, pack_two: float) -> Round:
    seconds = {DECODE: decode, PACK: pack, PACK_TWO: pack_two}
    start = Cost(1.0, 1.0)
    return {name: Run(Cost(2 * taken, taken), start, Did(100)) for name, taken in seconds.items()}


def test_ratios_are_of_speed_within_a_round_and_their_median():
    found = ratios([one_round(2, 4, 3), one_round(3, 4, 2), one_round(4, 4, 2)])
    assert found["pack / decode alone, wall"] == 0.75
    assert found["pack / decode alone, wall, without starts"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["pack / decode alone, cpu, without starts"] == pytest.approx(5 / 7, abs=1e-4)
    assert found["pack, 2 processes / pack, wall"] == 2.0
    assert not any("ffmpeg" in name for name in found)


def test_generated_frames_are_a_function_of_the_film():
    first, again, other = (next(frames_of(Film(FRONTAL, number, 0.0, seed=0))) for number in (0, 0, 1))
    assert first.shape == (720, 1280, 3)
    assert (first == again).all()
    assert (first != other).mean() > 0.5


def test_a_repeated_video_plays_on(tmp_path):
    path = make_film(Film(FRONTAL, 0, 0.2, seed=0), tmp_path)
    with av.open(str(repeat(path, 0.5, tmp_path / "long.mp4"))) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 15
    assert all(after - before == pytest.approx(0.04, abs=1e-3) for before, after in pairwise(times))


def test_detection_in_every_frame_is_its_own_measure():
    tracking = Tracking()
    tracking.add(face_clip(), detect_every=1)
    assert (tracking.faces, tracking.found, tracking.followed_N) == (120, 120, [])
    assert len(tracking.jitter_N) == 5 * 120
    tracking.add(face_clip(), detect_every=4)
    assert tracking.faces == 240
    searched = 120 // 4 + 1  # every 4th frame, and the last
    assert len(tracking.followed_N) == 5 * (120 - searched)


def test_a_video_without_faces_has_no_scores():
    assert summary(Tracking()) == {"faces": 0}


def test_the_command_makes_a_dated_table(tmp_path):
    shutil.copy(face_clip(), tmp_path / "carphone.mp4")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.packing", "--work", str(tmp_path / "work")),
            *("--out", str(tmp_path / "out"), "--rounds", "1", "--ffmpeg", "no-such-ffmpeg"),
            *("--clips", str(tmp_path), "--size", "clips=2", "seconds=0.4", "minutes=[0.01,0.02]"),
            *("tracked_clips=1", "tracked_seconds=0.4"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [result] = (tmp_path / "out").glob("packing-*.json")
    content = json.loads(result.read_text())
    assert set(content["rounds"][0]) == {DECODE, PACK, PACK_TWO}
    did = content["rounds"][0][PACK]["did"]
    assert (did["frames"], did["faces"]) == (20, 20)
    assert {"decode", "detect", "track", "encode"} <= set(did["stage_seconds"])
    assert [peak["frames"] for peak in content["peaks"]] == [20, 30]
    assert all(50e6 < peak["worker_bytes"] < 1e9 for peak in content["peaks"])
    assert content["tracking"]["three people"]["recall"] == 1.0
    assert content["tracking"]["given: carphone"]["faces"] == 120
    assert "no-such-ffmpeg is no program" in done.stdout
    assert str(tmp_path) not in result.read_text()


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--clips: .* is no folder; name one that holds videos"):
        main(["--work", str(tmp_path), "--clips", str(tmp_path / "none")])
    with pytest.raises(ValueError, match="--rounds: found 0, wanted at least 1"):
        main(["--work", str(tmp_path), "--rounds", "0"])
