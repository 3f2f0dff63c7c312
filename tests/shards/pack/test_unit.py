import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from shards import storage
from shards.index import from_parquet, read_member, summary_of, to_rows
from shards.layouts.layout import Labels, Source
from shards.pack.job import PackConfig
from shards.pack.spool import VideoSpool, video_hash
from shards.pack.unit import UnitJob, write_unit
from shards.pack.video import pack_video
from shards.schema import Failure
from tests.clips import face_frames, write_video
from tests.video_jobs import video_job


def labels() -> Labels:
    return Labels(0, np.ones((40, 2), np.int8), None)


def test_a_bystander_is_somebody_else_and_has_no_labels(tmp_path: Path) -> None:
    frames = face_frames(40)
    pair = [np.hstack([frame, np.zeros_like(frame)]) for frame in frames]
    for number, frame in enumerate(frames):
        pair[number][20:92, 230:318] = cv2.resize(frame, (88, 72))
    source = Source(
        "two.mp4", write_video(tmp_path / "two.mp4", pair), "ann", load_labels=labels, expression="joy"
    )
    pack_video(video_job(source, 48, 64), tmp_path)
    config = PackConfig("", str(tmp_path / "set"), "folder", namespace="set")
    job = UnitJob("00000", config, [source], [], {})
    assert write_unit(job, tmp_path) == 2
    index = storage.read_bytes(str(tmp_path / "set/index/00000.parquet"))
    ann, other = sorted(to_rows(from_parquet(index, "x")), key=lambda row: row.track)
    assert (ann.identity, ann.has_occurrence) == ("ann", True)
    assert (other.identity, other.has_occurrence) == ("two.mp4#1", False)
    assert (ann.expression, other.expression) == ("joy", None)
    facts = [json.loads(read_member(str(tmp_path / "set"), row, "json")) for row in (ann, other)]
    assert ["expression" in one for one in facts] == [True, False]
    (line,) = storage.read_bytes(str(tmp_path / "set/failures/00000.jsonl")).splitlines()
    assert json.loads(line) == {
        "source": "two.mp4",
        "stage": "label",
        "reason": "bystander",
        "detail": "frames 0 to 39: a smaller face beside the labelled one",
        "track": 1,
        "frames": 40,
    }


def test_a_unit_is_ordered_by_hash_and_committed_last(any_url: str, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", face_frames(40))
    sources = [Source(f"{number}.mp4", clip, f"person{number}") for number in range(3)]
    for source in sources:
        pack_video(video_job(source, 48, 16), tmp_path)
    failures = [Failure("z", "open", "not_a_video"), Failure("a", "detect", "no_face")]
    config = PackConfig("", any_url, "folder", namespace="set", max_shard_bytes=60_000)
    job = UnitJob("00000", config, sources, failures, {"recipe_digest": "x"})
    samples = write_unit(job, tmp_path)
    table = from_parquet(storage.read_bytes(storage.join(any_url, "index/00000.parquet")), "x")
    rows = to_rows(table)
    assert samples == len(rows) == 3 * 3  # 40 frames are 16, 16 and 8
    keys = [row.key for row in rows]
    assert keys == sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    assert keys != sorted(keys)
    summary = summary_of(table, "x")
    assert len(summary.shards) > 1
    assert storage.list_names(any_url) == sorted(
        ["failures/00000.jsonl", "index/00000.parquet", *(entry.name for entry in summary.shards)]
    )
    ledger = storage.read_bytes(storage.join(any_url, "failures/00000.jsonl")).decode().splitlines()
    assert [line.partition('"source": ')[2][1] for line in ledger] == ["a", "z"]
    left = [VideoSpool(tmp_path, video_hash("set", source.video_id)).frames_path for source in sources]
    assert not any(path.exists() for path in left)
