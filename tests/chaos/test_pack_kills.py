"""Long kill loops, for `infra/test.sh --full`."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shards import storage
from shards.pack.pack import PackConfig, pack
from shards.verify import verify
from tests.clips import face_frames, flat_frames, write_video

KILLS = 20
SETTINGS = {"size": 64, "workers": 2, "videos_per_unit": 3, "frames_per_sample": 16}
PACKS = f"""
import sys
from pathlib import Path
from shards.pack.pack import PackConfig, pack
if __name__ == "__main__":
    source, url, spool = sys.argv[1:]
    pack(PackConfig(source, url, "folder", spool=Path(spool), **{SETTINGS!r}))
"""


@pytest.mark.full
@pytest.mark.timeout(900)
def test_twenty_kills_at_random_moments_give_the_undisturbed_set(tmp_path: Path, bucket_url: str) -> None:
    frames = face_frames(120)
    for person in range(40):
        write_video(tmp_path / "in" / f"{person:02d}" / "1.mp4", [*frames[person:], *frames])
    write_video(tmp_path / "in" / "flat.mp4", flat_frames(40))
    began = time.monotonic()
    whole = PackConfig(str(tmp_path / "in"), str(tmp_path / "whole"), "folder", **SETTINGS)
    digest = pack(whole).digest
    undisturbed_seconds = time.monotonic() - began
    url, spool = f"{bucket_url}/killed", tmp_path / "spool"
    moments = random.Random(2026)
    kills = finished = 0
    while kills < KILLS:
        process = subprocess.Popen([sys.executable, "-c", PACKS, tmp_path / "in", url, spool])
        try:
            process.wait(moments.uniform(0.5, undisturbed_seconds / 2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        # It was through before its moment came: the set is whole, and the next kills hit a new one.
        assert process.returncode == 0
        assert storage.read_bytes(f"{url}/manifest.json") == storage.read_bytes(f"{whole.url}/manifest.json")
        finished += 1
        url = f"{bucket_url}/killed{finished}"
    again = PackConfig(whole.source, url, "folder", spool=spool, **SETTINGS)
    assert pack(again).digest == digest
    assert verify(url, deep=True).problems == []
    names = storage.list_names(whole.url)
    assert storage.list_names(url) == names
    for name in names:
        theirs, ours = (storage.read_bytes(storage.join(place, name)) for place in (url, whole.url))
        assert theirs == ours, name
    assert list(spool.iterdir()) == []
