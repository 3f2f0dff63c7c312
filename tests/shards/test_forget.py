"""Who is forgotten is not read any more, and leaves the bytes."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shards import forget as forgetting
from shards import storage
from shards.batch import ClipSpec
from shards.errors import ManifestMismatchError, ShardError
from shards.forget import Forgotten, compact, forget, forget_videos
from shards.index import open_set, to_rows
from shards.plan import Plan, refuse_other_order
from shards.schema import JOB_NAME
from shards.stream import stream_clips
from shards.stream_config import StreamCounters
from shards.tombstones import FOLDER, hidden, person_hash, tombstones, video_hash
from shards.tracks import TrackSet, load_tracks
from shards.verify import verify
from tests.drawn_set import write_set

SPEC = ClipSpec(4, (0.04, 0.08), 1)
GONE = "person2"
READ = TrackSet._read


@pytest.fixture
def url(any_url: str, tmp_path: Path) -> str:
    write_set(any_url, tmp_path / "tars", labelled=True)
    return any_url


def everything(url: str) -> bytes:
    return b"".join(storage.read_bytes(storage.join(url, name)) for name in storage.list_names(url))


def frames_of(url: str) -> dict[str, list[str]]:
    """By key, digests of all frames as the index names them."""
    found = {}
    for row in to_rows(open_set(url)[1]):
        content = storage.read_bytes(storage.join(url, row.shard))
        places = zip(row.frame_offset, row.frame_length, strict=True)
        found[row.key] = [hashlib.sha256(content[at : at + length]).hexdigest() for at, length in places]
    return found


def expressions_of(url: str) -> dict[str, str | None]:
    return {row.key: row.expression for row in to_rows(open_set(url)[1])}


def test_a_new_plan_leaves_the_person_out(url: str) -> None:
    assert forget(url, GONE) == Forgotten(2, 64, new=True)
    assert forget(url, GONE) == Forgotten(2, 64, new=False)
    tracks = load_tracks(url)
    assert len(tracks) == 10
    assert GONE not in tracks.identities
    assert not tracks.withheld.any()
    plan = Plan(tracks, SPEC, 5)
    for _, clips in zip(range(6), stream_clips(tracks, plan), strict=False):
        assert clips[1].valid_B.all()
        assert int(person_hash("drawn", GONE), 16) not in clips[1].identity_B
    # Labels and frames still belong to their rows.
    rows = {row.key: row for row in to_rows(open_set(url)[1])}
    assert [rows[key].identity for key in tracks.keys] == tracks.identities


def test_the_persons_name_is_in_no_tombstone(url: str) -> None:
    forget(url, GONE)
    [name] = storage.list_names(storage.join(url, "forgotten"))
    assert GONE not in name
    assert GONE.encode() not in storage.read_bytes(storage.join(url, "forgotten", name))
    assert tombstones(url) == (person_hash("drawn", GONE),)


def test_a_run_that_goes_on_keeps_its_order_and_gets_empty_slots(url: str) -> None:
    forget(url, "person5")
    before = load_tracks(url)
    plan = Plan(before, SPEC, 5)
    stored = json.loads(json.dumps(plan.describe()))
    forget(url, GONE)
    with pytest.raises(ManifestMismatchError, match="left_out: "):
        refuse_other_order(stored, Plan(load_tracks(url), SPEC, 5))
    after = load_tracks(url, stored["left_out"])
    resumed = Plan(after, SPEC, 5)
    refuse_other_order(stored, resumed)
    counters = StreamCounters()
    pairs = zip(
        range(4), stream_clips(before, plan), stream_clips(after, resumed, None, counters), strict=False
    )
    empty = 0
    for _, (_, one), (_, other) in pairs:
        assert one.key_B == other.key_B
        gone = one.identity_B == int(person_hash("drawn", GONE), 16)
        np.testing.assert_array_equal(other.valid_B, ~gone)
        np.testing.assert_array_equal(other.frames_BTHWC[~gone], one.frames_BTHWC[~gone])
        assert not other.frames_BTHWC[gone].any()
        empty += int(gone.sum())
    assert empty > 0
    assert counters.withheld >= empty
    assert not counters.quarantined


def test_compaction_drops_the_bytes_and_nothing_else(url: str) -> None:
    kept = {row.key for row in to_rows(open_set(url)[1]) if row.identity != GONE}
    video = next(row.video for row in to_rows(open_set(url)[1]) if row.identity == GONE)
    storage.write_bytes(
        storage.join(url, JOB_NAME), json.dumps({"sources": {video: "1", "other": "2"}}).encode()
    )
    before, shown = frames_of(url), expressions_of(url)
    forget(url, GONE)
    assert compact(url) == Forgotten(2, 64, new=True)
    assert expressions_of(url) == {key: shown[key] for key in kept}
    assert frames_of(url) == {key: before[key] for key in kept}
    assert verify(url, deep=True).problems == []
    manifest, _ = open_set(url)
    assert (manifest.totals.samples, manifest.totals.identities) == (10, 5)
    assert GONE.encode() not in everything(url)
    assert json.loads(storage.read_bytes(storage.join(url, JOB_NAME)))["sources"] == {"other": "2"}
    assert compact(url) == Forgotten(0, 0, new=False)
    forget(url, "person4")
    assert compact(url).samples == 2
    assert verify(url, deep=True).problems == []


@pytest.mark.parametrize("moment", ["before the manifest", "before the old files go"])
def test_a_compaction_that_is_stopped_leaves_a_whole_set(
    url: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(url, GONE)
    stop = "_drop_sources" if moment == "before the manifest" else "_remove_strays"

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, stop, stopped)
        with pytest.raises(KeyboardInterrupt):
            compact(url)
    assert len(load_tracks(url)) == 10
    report = verify(url, deep=True)
    assert all("not in the manifest" in problem for problem in report.problems)
    compact(url)
    assert verify(url, deep=True).problems == []
    assert len(load_tracks(url)) == 10


def test_all_people_forgotten_and_nobody_of_that_name(url: str) -> None:
    with pytest.raises(ShardError, match=r"shows no person 'ann'; it has person0, person1, "):
        forget(url, "ann")
    for number in range(6):
        forget(url, f"person{number}")
    with pytest.raises(ShardError, match="everyone in it is forgotten"):
        load_tracks(url)


def test_a_video_is_forgotten_as_a_person_is(url: str) -> None:
    rows = to_rows(open_set(url)[1])
    videos = [row.video for row in rows if row.identity == GONE]
    person = next(row.identity for row in rows if row.identity != GONE)
    with pytest.raises(ShardError, match="holds no video 'person1': take the index's `video`"):
        forget_videos(url, [*videos, "person1"])
    assert tombstones(url) == ()
    before = load_tracks(url)
    assert forget_videos(url, videos[:1]) == Forgotten(1, 32, new=True)
    assert forget_videos(url, videos[:1]) == Forgotten(1, 32, new=False)
    assert forget_videos(url, videos) == Forgotten(2, 64, new=True)
    assert GONE not in load_tracks(url).identities
    assert person in load_tracks(url).identities
    running = load_tracks(url, before.left_out)
    assert running.keys == before.keys
    assert running.withheld.tolist() == [video in videos for video in running.videos]
    assert not any(
        video.encode() in storage.read_bytes(storage.join(url, FOLDER, name))
        for name in storage.list_names(storage.join(url, FOLDER))
        for video in videos
    )
    assert compact(url) == Forgotten(2, 64, new=True)
    assert verify(url, deep=True).problems == []
    assert GONE.encode() not in everything(url)


def test_a_video_and_a_person_of_one_name_are_two() -> None:
    hashes = [video_hash("drawn", "ann")]
    assert hidden("drawn", ["ann", "bob"], ["1", "ann"], hashes).tolist() == [False, True]
    assert hidden("drawn", ["ann", "bob"], ["1", "ann"], [person_hash("drawn", "ann")]).tolist() == [
        True,
        False,
    ]
    assert not hidden("drawn", [], [], hashes).any()


def test_equal_names_in_other_sets_are_other_people(url: str) -> None:
    forget(url, GONE)
    manifest, _ = open_set(url)
    other = replace(manifest, namespace="elsewhere")
    assert person_hash(other.namespace, GONE) not in tombstones(url)


def test_only_units_that_hold_the_person_are_read_when_a_set_is_opened(url: str, monkeypatch) -> None:
    forget(url, GONE)  # of two samples, in two of three units
    read: list[int] = []
    monkeypatch.setattr(TrackSet, "_read", lambda self, unit: read.append(unit) or READ(self, unit))
    assert len(load_tracks(url)) == 10
    holding = {place % 3 for place in (2, 8)}
    assert set(read) == holding
    compact(url)
    read.clear()
    assert len(load_tracks(url)) == 10
    assert read == []


def test_in_a_set_packed_again_the_person_is_looked_for_everywhere(url: str, tmp_path: Path) -> None:
    """A tombstone says of which units it was true; the new ones are others."""
    forget(url, GONE)
    for name in storage.list_names(url):
        if not name.startswith(FOLDER):
            storage.delete(storage.join(url, name))
    write_set(url, tmp_path / "again", samples_per_person=3, units=4)
    tracks = load_tracks(url)
    assert len(tracks) == 15
    assert GONE not in tracks.identities
    plan = Plan(tracks, SPEC, 5)
    assert plan.num_rows == 15
