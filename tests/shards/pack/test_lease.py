"""Two packers on one destination: the living one is left alone, a dead one is followed."""

import dataclasses
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from shards import storage
from shards.errors import ShardError
from shards.lease import Holder, Lease, content, place, read
from shards.pack import lease as module
from shards.pack.lease import PackLease, lease
from shards.pack.pack import PackConfig, pack
from tests.clips import face_frames, write_video


def quiet(line: str) -> None:
    pass


def holder(silent_seconds: float = 0.3) -> Holder:
    return Holder("elsewhere", "another kernel", 1, 1, silent_seconds)


def put(url: str, number: int, found: Holder) -> None:
    storage.write_bytes(place(url, number), content(found))


def take_and_die(url: str) -> None:
    with lease(url, quiet):
        os._exit(0)


def test_a_second_packer_is_refused_and_the_lease_is_given_back(any_url: str) -> None:
    with lease(any_url, quiet) as held:
        held.check()
        with (
            pytest.raises(ShardError, match=rf"process {os.getpid()} on .* is packing to .*let it finish"),
            lease(any_url, quiet),
        ):
            raise AssertionError
        held.check()
    assert storage.list_names(any_url) == []


def test_a_packer_that_died_here_is_followed_at_once(any_url: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=take_and_die, args=(any_url,))
    process.start()
    process.join(60)
    assert storage.list_names(any_url) == ["lease/000001.json"]
    start = time.monotonic()
    with lease(any_url, quiet):
        assert storage.list_names(any_url) == ["lease/000002.json"]
    assert time.monotonic() - start < module.SILENT_SECONDS / 3


def test_one_elsewhere_is_watched(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.3)
    put(any_url, 4, holder())
    said: list[str] = []
    with lease(any_url, said.append):
        assert storage.list_names(any_url) == ["lease/000005.json"]
        time.sleep(0.5)
        beats = read(any_url, 5)
    assert said == ["process 1 on elsewhere began to pack here; watching for 0.3 s whether it lives"]
    assert beats is not None
    assert beats.beat > 0


def test_a_living_one_elsewhere_is_left_alone(any_url: str) -> None:
    living = holder(silent_seconds=0.9)
    put(any_url, 4, living)
    beat = threading.Timer(0.3, put, (any_url, 4, dataclasses.replace(living, beat=1)))
    beat.start()
    with pytest.raises(ShardError, match="process 1 on elsewhere is packing to"), lease(any_url, quiet):
        raise AssertionError
    beat.join()


def test_who_was_away_for_too_long_stops(any_url: str) -> None:
    put(any_url, 1, holder())
    held = PackLease(Lease(any_url, 1))
    held.check()
    put(any_url, 2, holder())
    with pytest.raises(ShardError, match=r"another packer took over .* let that one finish"):
        held.check()


def test_packing_holds_the_lease(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "1.mp4", face_frames(20))
    url = str(tmp_path / "set")
    config = PackConfig(str(tmp_path / "in"), url, "folder", size=48, workers=1)
    with lease(url, quiet), pytest.raises(ShardError, match="is packing to"):
        pack(config)
    seen: list[bool] = []
    pack(config, lambda _: seen.append(any(name.startswith("lease/") for name in storage.list_names(url))))
    assert all(seen)
    assert not [name for name in storage.list_names(url) if name.startswith("lease/")]
