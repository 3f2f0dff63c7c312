import hashlib
from pathlib import Path

from shards import storage
from shards.index import from_parquet, summary_of, to_rows
from shards.layouts.layout import Source
from shards.pack.spool import VideoSpool, video_hash
from shards.pack.unit import UnitJob, write_unit
from shards.pack.video import VideoJob, pack_video
from shards.schema import Failure
from tests.clips import face_frames, write_video


def test_a_unit_is_ordered_by_hash_and_committed_last(any_url: str, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", face_frames(40))
    sources = [Source(f"{number}.mp4", clip, f"person{number}") for number in range(3)]
    for source in sources:
        pack_video(VideoJob(source, "set", 48, 16, 5), tmp_path)
    failures = [Failure("z", "open", "not_a_video"), Failure("a", "detect", "no_face")]
    job = UnitJob("00000", any_url, "set", sources, failures, 60_000, 100, {"recipe_digest": "x"})
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
