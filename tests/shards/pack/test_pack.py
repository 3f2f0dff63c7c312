import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from shards import storage
from shards.errors import ManifestMismatchError, ShardError
from shards.index import read_index
from shards.pack import run
from shards.pack.origin import Origin
from shards.pack.pack import PackConfig, Progress, pack
from shards.pack.pool import Task
from shards.pack.units import Unit
from shards.pack.video import VideoJob, VideoPacker, pack_video
from shards.verify import verify
from tests.clips import face_frames, flat_frames, write_sound, write_video

PACKS = """
import sys
from pathlib import Path
from shards.pack.pack import PackConfig, pack
if __name__ == "__main__":
    source, url, spool = sys.argv[1:]
    more = {"size": 48, "workers": 2, "videos_per_unit": 1, "frames_per_sample": 16}
    config = PackConfig(source, url, "folder", spool=Path(spool), **more)
    pack(config)
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people and everything that gives nothing."""
    root = tmp_path_factory.mktemp("videos")
    frames = face_frames(60)
    write_video(root / "ann" / "1.mp4", frames[:40])
    write_video(root / "ann" / "2.mp4", frames[20:])
    write_video(root / "bob" / "1.avi", [frame[:, ::-1] for frame in frames])
    write_video(root / "cut.avi", frames)
    whole = (root / "cut.avi").read_bytes()
    (root / "cut.avi").write_bytes(whole[: len(whole) // 2])
    write_video(root / "flat.mp4", flat_frames(12))
    write_video(root / "brief.mp4", [*frames[:6], *flat_frames(6)])
    write_sound(root / "sound.wav").rename(root / "sound.mp4")
    (root / "zero.mp4").touch()
    (root / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(5_000))
    (root / "notes.txt").write_text("no video")
    return root


@pytest.fixture
def config(videos: Path, tmp_path: Path) -> PackConfig:
    return PackConfig(
        str(videos),
        str(tmp_path / "set"),
        "folder",
        size=48,
        workers=2,
        videos_per_unit=3,
        frames_per_sample=16,
        spool=tmp_path / "spool",
    )


def files(url: str) -> dict[str, bytes]:
    return {name: storage.read_bytes(storage.join(url, name)) for name in storage.list_names(url)}


def test_every_file_is_accounted_for(config: PackConfig, any_url: str) -> None:
    config = dataclasses.replace(config, url=any_url)
    seen: list[int] = []
    manifest = pack(config, lambda progress: seen.append(progress.videos_done))
    assert seen[0] == 0
    assert seen[-1] == 9
    assert verify(config.url, deep=True).problems == []
    assert manifest.totals.videos == 4
    assert manifest.totals.identities == 3
    ledger = [
        json.loads(line)
        for entry in manifest.failures
        for line in storage.read_bytes(storage.join(config.url, entry.name)).splitlines()
    ]
    reasons = {line["source"]: line["reason"] for line in ledger}
    assert reasons.pop("cut.avi") in ("truncated", "decode_error")
    assert reasons == {
        "flat.mp4": "no_face",
        "brief.mp4": "too_short",
        "sound.mp4": "no_video_stream",
        "zero.mp4": "empty_file",
        "garbage.mp4": "not_a_video",
        "notes.txt": "unknown_file",
    }
    assert manifest.totals.failures == dict(Counter(line["reason"] for line in ledger))
    assert list(config.spool.iterdir()) == []
    rows = read_index(config.url, manifest)
    assert {row.identity for row in rows} == {"ann", "bob", "cut.avi#0"}
    assert all("ann" not in row.key for row in rows)


def test_any_number_of_workers_gives_equal_bytes(config: PackConfig, tmp_path: Path) -> None:
    one = dataclasses.replace(config, url=str(tmp_path / "one"), workers=1)
    assert pack(config).digest == pack(one).digest
    assert files(config.url) == files(one.url)


def test_webdataset_reads_the_set(config: PackConfig) -> None:
    manifest = pack(config)
    shards = [storage.join(config.url, entry.name) for entry in manifest.shards]
    found = list(wds.WebDataset(shards, shardshuffle=False))
    assert [one["__key__"] for one in found] == [row.key for row in read_index(config.url, manifest)]
    facts = json.loads(found[0]["json"])
    assert facts["recipe_digest"] == manifest.recipe_digest
    assert len(facts["landmarks"]) == facts["num_frames"] == len(facts["score"])


def test_a_finished_set_is_left_alone(config: PackConfig) -> None:
    first = pack(config)
    before = {path: path.stat().st_mtime_ns for path in Path(config.url).rglob("*")}
    notes: list[str] = []
    again = pack(config, lambda progress: notes.append(progress.note))
    assert again.digest == first.digest
    assert notes == ["finished before; nothing to do"]
    assert {path: path.stat().st_mtime_ns for path in Path(config.url).rglob("*")} == before
    with pytest.raises(ManifestMismatchError, match="size is 48 there and 64 here"):
        pack(dataclasses.replace(config, size=64))


def test_missing_units_are_made_again(config: PackConfig) -> None:
    pack(config)
    whole = files(config.url)
    lost = sorted(name for name in whole if name.startswith("index/"))[0]
    for name in ("manifest.json", lost):
        storage.delete(storage.join(config.url, name))
    notes: list[Progress] = []
    pack(config, lambda progress: notes.append(dataclasses.replace(progress)))
    assert notes[0].note.startswith("goes on with 1 of ")
    assert files(config.url) == whole


def test_killed_twice_and_continued_is_the_same_set(
    config: PackConfig, videos: Path, tmp_path: Path, bucket_url: str
) -> None:
    whole = dataclasses.replace(config, videos_per_unit=1)
    digest = pack(whole).digest
    url = f"{bucket_url}/killed"
    for uploads in (1, 6):
        process = subprocess.Popen([sys.executable, "-c", PACKS, str(videos), url, str(tmp_path / "spool")])
        while len(storage.list_names(url)) <= uploads and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not storage.exists(storage.join(url, "manifest.json"))
    assert pack(dataclasses.replace(whole, url=url)).digest == digest
    assert files(url) == files(whole.url)
    assert list((tmp_path / "spool").iterdir()) == []


def kill_process(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def pack_without_end(job: VideoJob, folder: Path) -> object:
    """Packs as usual but for its frames, which never come; the process ends with the task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoPacker, "run", lambda _: time.sleep(600))
        return pack_video(job, folder)


def with_task(monkeypatch: pytest.MonkeyPatch, video_id: str, change: Callable[[Task], Task]) -> None:
    """Change what a worker is asked to do with one video."""
    original = run.Packing._videos

    def tasks(self: run.Packing, units: Iterable[Unit], origin: Origin) -> Iterator[Task]:
        for task in original(self, units, origin):
            yield change(task) if task.job.source.video_id == video_id else task

    monkeypatch.setattr(run.Packing, "_videos", tasks)


def limited(**limits: float) -> Callable[[Task], Task]:
    def change(task: Task) -> Task:
        config = dataclasses.replace(task.job.config, **limits)
        return dataclasses.replace(task, job=dataclasses.replace(task.job, config=config))

    return change


def test_a_crashing_codec_costs_one_file(config: PackConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with_task(monkeypatch, "ann/1.mp4", lambda task: dataclasses.replace(task, function=kill_process))
    manifest = pack(config)
    assert manifest.totals.failures["crashed"] == 1
    assert verify(config.url).problems == []
    assert {row.video for row in read_index(config.url, manifest)} == {"ann/2.mp4", "bob/1.avi", "cut.avi"}


def test_a_video_that_stalls_costs_one_file(config: PackConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = limited(stall_seconds=0.5)
    with_task(
        monkeypatch, "ann/1.mp4", lambda task: dataclasses.replace(soon(task), function=pack_without_end)
    )
    manifest = pack(config)
    assert manifest.totals.failures["stalled"] == 1
    assert "crashed" not in manifest.totals.failures
    assert {row.video for row in read_index(config.url, manifest)} == {"ann/2.mp4", "bob/1.avi", "cut.avi"}


def test_a_video_that_wants_too_much_memory_costs_one_file(
    config: PackConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large"
    write_video(source / "small.mp4", face_frames(20))
    write_video(source / "large.mp4", [np.full((2160, 3840, 3), 90, np.uint8)] * 4)
    with_task(monkeypatch, "large.mp4", limited(memory_bytes=2**24))
    manifest = pack(dataclasses.replace(config, source=str(source), workers=1))
    assert manifest.totals.failures == {"out_of_memory": 1}
    assert manifest.totals.videos == 1


def test_wrong_requests(config: PackConfig, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="did you mean 'folder'"):
        pack(dataclasses.replace(config, layout="folders"))
    with pytest.raises(ShardError, match="is not a folder"):
        pack(dataclasses.replace(config, source=str(tmp_path / "nothing")))
    assert not Path(config.url).exists()
