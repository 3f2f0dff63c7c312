import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from shards.synthetic import generate as module
from shards.synthetic.action_units import ACTION_UNITS, DISFA_ACTION_UNITS
from shards.synthetic.generate import GenerateConfig, generate, performance_of, person_seed, plan_videos
from shards.synthetic.writers.registry import WRITERS

YUNET = Path(module.__file__).parents[1] / "pack" / "data" / "face_detection_yunet_2023mar.onnx"


def config(out: Path, **changes: Any) -> GenerateConfig:
    values: dict[str, Any] = {
        "layout": "disfa", "identities": 2, "seconds": 0.5, "seed": 1, "size": 96, "workers": 1,
    } | changes  # fmt: skip
    return GenerateConfig(out=out, **values)


def digests(out: Path) -> dict[str, str]:
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_config_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        generate(config(tmp_path / name, workers=workers))
    generate(config(tmp_path / "other", seed=2))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    other = digests(tmp_path / "other")
    videos = [name for name in other if name.endswith(".avi")]
    assert len(videos) == 2
    assert all(other[name] != digests(tmp_path / "one")[name] for name in videos)


def test_disfa_labels_agree_with_the_curves(tmp_path: Path) -> None:
    wanted = config(tmp_path, identities=1, seconds=10.0, size=64)
    generate(wanted)
    job = next(iter(plan_videos(wanted)))
    intensity_TA = performance_of(job).intensity_TA
    assert job.video == tmp_path / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    with av.open(str(job.video)) as container:
        assert container.streams.video[0].average_rate == 20
        assert sum(1 for _ in container.decode(video=0)) == 200
    folder = tmp_path / "ActionUnit_Labels" / "SN001"
    assert {path.name for path in folder.iterdir()} == {f"SN001_au{unit}.txt" for unit in DISFA_ACTION_UNITS}
    for unit in DISFA_ACTION_UNITS:
        lines = (folder / f"SN001_au{unit}.txt").read_text(encoding="ascii").splitlines()
        frame, value = np.array([[int(x) for x in line.split(",")] for line in lines]).T
        np.testing.assert_array_equal(frame, np.arange(1, 201))
        assert np.abs(value - intensity_TA[:, ACTION_UNITS.index(unit)]).max() <= 0.5
        assert set(value) <= set(range(6))


def test_voxceleb_layout(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    wanted = config(tmp_path, layout="voxceleb", videos_per_identity=2)
    generate(wanted, progress=lambda done, total: seen.append((done, total)))
    videos = sorted(tmp_path.rglob("*.*"))
    assert len(videos) == 4
    for video in videos:
        dev, mp4, identity, name, utterance = video.relative_to(tmp_path).parts
        assert (dev, mp4, utterance) == ("dev", "mp4", "00001.mp4")
        assert identity in ("id00001", "id00002")
        assert len(name) == 11
        with av.open(str(video)) as container:
            assert container.streams.video[0].average_rate == 25
    assert len(set(digests(tmp_path).values())) == 4
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("layout", ["bp4d", "aff_wild2", "rafdb", "ferplus", "disfa_lists"])
def test_sets_of_pictures_continue_with_the_same_bytes(tmp_path: Path, layout: str) -> None:
    for name in ("whole", "cut"):
        generate(config(tmp_path / name, layout=layout, size=64))
    jobs = list(plan_videos(config(tmp_path / "cut", layout=layout, size=64)))
    first, last = jobs[0].video, jobs[-1].video
    kept = first.stat().st_mtime_ns
    if last.is_dir():
        shutil.rmtree(last)
    else:
        last.unlink()
    generate(config(tmp_path / "cut", layout=layout, size=64))
    assert digests(tmp_path / "cut") == digests(tmp_path / "whole")
    assert first.stat().st_mtime_ns == kept


def test_people_of_the_layouts_are_disjoint() -> None:
    seeds = [{person_seed(layout, seed, i) for seed in range(5) for i in range(200)} for layout in WRITERS]
    assert {len(found) for found in seeds} == {1000}
    assert len(set().union(*seeds)) == 1000 * len(seeds)


def test_killed_generation_continues_and_leaves_no_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from shards.synthetic.generate import GenerateConfig, generate\n"
        "if __name__ == '__main__':\n"
        "    generate(GenerateConfig(Path(sys.argv[1]), 'disfa', 6, 2.0, 1, size=96, workers=2))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program, encoding="ascii")
    environment = os.environ | {"PYTHONPATH": str(Path(module.__file__).parents[2])}
    killed = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "out")], env=environment, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").rglob("*.avi")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    while _group_lives(killed.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_lives(killed.pid)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.avi")}
    assert 0 < len(finished) < 6
    generate(config(tmp_path / "out", identities=6, seconds=2.0))
    generate(config(tmp_path / "straight", identities=6, seconds=2.0))
    assert digests(tmp_path / "out") == digests(tmp_path / "straight")
    assert all(path.stat().st_mtime_ns == written for path, written in finished.items())


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "bp5d"}, "layout: found 'bp5d', wanted one of voxceleb, disfa, bp4d.*; choose"),
        ({"identities": 0}, "identities: found 0, wanted a number above 0; pass"),
        ({"seconds": -1.0}, "seconds: found -1.0, wanted a number above 0; pass"),
        ({"seconds": float("nan")}, "seconds: found nan, wanted a number above 0; pass"),
        ({"videos_per_identity": 0}, "videos_per_identity: found 0, wanted a number above 0; pass"),
        ({"identities": 28}, "identities: found 28, wanted at most 27, the subjects of DISFA; pass fewer"),
        ({"size": 65}, "size: found 65, wanted an even number of at least 64; round"),
        ({"size": 32}, "size: found 32, wanted an even number of at least 64; round"),
        ({"workers": -1}, "workers: found -1, wanted 0 or more; pass 0"),
        ({"seed": -1}, "seed: found -1, wanted 0 or more; pass 0"),
    ],
)
def test_bad_values_are_explained(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **changes)


def test_faces_are_large_and_found_by_a_detector(tmp_path: Path) -> None:
    wanted = config(tmp_path, layout="voxceleb", identities=10, videos_per_identity=1, seconds=1.0, size=224)
    generate(wanted)
    detector = cv2.FaceDetectorYN.create(str(YUNET), "", (224, 224), 0.6)
    heights, num_frames = [], 0
    for job in plan_videos(wanted):
        with av.open(str(job.video)) as container:
            for frame in container.decode(video=0):
                num_frames += 1
                _, faces = detector.detect(frame.to_ndarray(format="bgr24"))
                heights += [faces[0, 3]] if faces is not None and len(faces) == 1 else []
    assert len(heights) >= 0.95 * num_frames
    assert np.percentile(heights, 5) > 100
