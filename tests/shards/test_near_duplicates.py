"""Copies are found in packed videos, whatever the order of rows, and nothing else is."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shards import near_duplicates as module
from shards import storage
from shards.__main__ import main
from shards.index import UnitSummary, read_index, read_manifest, to_parquet
from shards.look import LOOK_BITS
from shards.near_duplicates import MOST_DIFFERENCE, Copy, Group, NearDuplicates, near_duplicates
from shards.pack.pack import PackConfig, pack
from shards.schema import MANIFEST_NAME, CropRecipe, FileEntry, Manifest, SampleRow, index_name
from shards.synthetic.generate import GenerateConfig, generate
from shards.totals import count_totals
from shards.tracks import load_tracks
from shards.verify import verify
from tests.clips import face_frames, write_video

PIECE_SECONDS = 2.0


def row(
    video: str, look: NDArray[np.bool_], piece: int = 0, track: int = 0, person: str = "ann"
) -> SampleRow:
    """One sample of 2 frames, 1 second apart."""
    key = hashlib.sha256(f"{video}/{track}".encode()).hexdigest()[:16]
    start = piece * PIECE_SECONDS
    return SampleRow(
        key=f"{key}-{track:03d}-{piece:03d}",
        shard="shards/u-000.tar",
        identity=person,
        video=video,
        track=track,
        piece=piece,
        next_key=None,
        activity=None,
        expression=None,
        num_frames=2,
        time_seconds=[start, start + 1],
        frame_number=[0, 1],
        frame_offset=[0, 1],
        frame_length=[1, 1],
        frame_crc32=[0, 0],
        members=[],
        has_occurrence=False,
        has_intensity=False,
        look=np.packbits(look).tobytes(),
    )


def write_index(url: str, rows: list[SampleRow]) -> str:
    """A set of an index only."""
    nothing = FileEntry("failures/u.jsonl", 0, 0, hashlib.sha256(b"").hexdigest())
    content = to_parquet(rows, UnitSummary([], nothing, ""))
    storage.write_bytes(storage.join(url, index_name("u")), content)
    index = FileEntry(index_name("u"), len(rows), len(content), hashlib.sha256(content).hexdigest())
    recipe = CropRecipe("drawn", 1, 32, "none", "1", "0" * 64, "cpu", 320, [[0.5, 0.5]] * 5, 1, 95, "420")
    totals = count_totals(rows, {})
    manifest = Manifest(
        "drawn", "folder", recipe, {}, [], [], [], [], totals, [], [index], [nothing], nothing
    )
    storage.write_bytes(storage.join(url, MANIFEST_NAME), manifest.to_json().encode())
    return url


def random_look(seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(LOOK_BITS) < 0.5


def changed(look: NDArray[np.bool_], bits: int, seed: int = 0) -> NDArray[np.bool_]:
    """The look with so many bits turned over."""
    places = np.random.default_rng(seed).permutation(LOOK_BITS)[:bits]
    other = look.copy()
    other[places] ^= True
    return other


def video_of(name: str, seed: int, pieces: int, bits: int = 0, track: int = 0) -> list[SampleRow]:
    """A track whose looks are those of `seed` but for `bits` bits of each."""
    looks = [changed(random_look(100 * seed + piece), bits, piece) for piece in range(pieces)]
    return [row(name, look, piece, track) for piece, look in enumerate(looks)]


def found(rows: list[SampleRow], folder: Path, most_difference: float = MOST_DIFFERENCE) -> NearDuplicates:
    return near_duplicates(write_index(str(folder / "set"), rows), most_difference)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real face, the same encoded again and smaller, and two generated people."""
    folder = tmp_path_factory.mktemp("copies")
    clips = folder / "in"
    generate(
        GenerateConfig(folder / "drawn", "voxceleb", identities=2, seconds=2, seed=9, videos_per_identity=1)
    )
    frames = face_frames(120)
    write_video(clips / "ann" / "real.mp4", frames)
    smaller = [np.asarray(cv2.resize(frame, (144, 116), interpolation=cv2.INTER_AREA)) for frame in frames]
    write_video(clips / "bob" / "found.mp4", smaller)
    for path in sorted((folder / "drawn").rglob("*.mp4")):
        (clips / path.parts[-3]).mkdir()
        (clips / path.parts[-3] / "1.mp4").write_bytes(path.read_bytes())
    pack(PackConfig(str(clips), str(folder / "set"), "folder", size=96, frames_per_sample=24, workers=1))
    return str(folder / "set")


def test_a_real_face_encoded_again_is_found_and_no_other_person(packed: str) -> None:
    report = near_duplicates(packed)
    assert report.tracks == 4
    [group] = report.groups
    assert (group.original, group.people) == ("ann/real.mp4", ["ann"])
    assert [(copy.video, copy.people) for copy in group.copies] == [("bob/found.mp4", ["bob"])]
    assert 0 < group.copies[0].difference < MOST_DIFFERENCE


def test_dropped_copies_are_not_read_and_leave_the_bytes(
    packed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = str(tmp_path / "set")
    for name in storage.list_names(packed):
        storage.write_bytes(storage.join(url, name), storage.read_bytes(storage.join(packed, name)))
    written = tmp_path / "copies.json"
    assert main(["duplicates", url, "--json", str(written)]) == 0
    said = capsys.readouterr().out
    assert "ann/real.mp4 (ann)" in said
    assert "bob/found.mp4 (bob)" in said
    assert "1 videos look like copies of 1 others, by 4 tracks" in said
    assert json.loads(written.read_text())["groups"][0]["copies"][0]["video"] == "bob/found.mp4"
    assert "bob/found.mp4" in load_tracks(url).videos  # only reported
    assert main(["duplicates", url, "--drop"]) == 0
    assert "5 samples, 120 frames are not read any more" in capsys.readouterr().out
    tracks = load_tracks(url)
    assert set(tracks.identities) == {"ann", "id00001", "id00002"}
    assert not tracks.withheld.any()
    running = load_tracks(url, left_out=[])
    assert [video == "bob/found.mp4" for video in running.videos] == running.withheld.tolist()
    assert near_duplicates(url).groups == []
    assert main(["duplicates", url, "--drop"]) == 0
    assert "not read any more" not in capsys.readouterr().out
    assert main(["compact", url]) == 0
    assert "dropped 5 samples, 120 frames of forgotten people and videos" in capsys.readouterr().out
    assert verify(url, deep=True).problems == []
    rows = read_index(url, read_manifest(url))
    assert {row.video for row in rows} == {"ann/real.mp4", "id00001/1.mp4", "id00002/1.mp4"}
    before = {row.key: row.look for row in read_index(packed, read_manifest(packed))}
    assert [row.look for row in rows] == [before[row.key] for row in rows]


COPIES = [
    *video_of("a", seed=1, pieces=4),
    *video_of("b", seed=2, pieces=4),
    *video_of("c", seed=1, pieces=4, bits=20),
    *video_of("d", seed=3, pieces=1),
    *video_of("e", seed=2, pieces=4, bits=9),
    *video_of("f", seed=1, pieces=4, bits=34),
    *video_of("g", seed=3, pieces=1, bits=13),
]


@given(st.permutations(COPIES))
def test_the_order_of_rows_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[SampleRow]
) -> None:
    report = found(rows, tmp_path_factory.mktemp("order"))
    # 34 of 256 bits are the most that 4 samples may differ by (0.133), 13 the most of one (0.053).
    assert [(group.original, [copy.video for copy in group.copies]) for group in report.groups] == [
        ("a", ["c", "f"]),
        ("b", ["e"]),
        ("d", ["g"]),
    ]
    assert report.groups[1] == Group("b", ["ann"], [Copy("e", ["ann"], round(9 / 256, 4))])
    assert report.copies == ["c", "f", "e", "g"]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60), st.integers(1, 3)), max_size=12),
    st.sampled_from([0.05, 0.16, 0.3]),
)
def test_the_pairs_are_those_of_comparing_all(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, int]], most_difference: float
) -> None:
    """With blocks of two tracks, so that every border is crossed; lengths of 1, 3 and 5 seconds."""
    videos = {
        f"v{number:02d}": video_of(f"v{number:02d}", seed, pieces, bits)
        for number, (seed, bits, pieces) in enumerate(drawn)
    }
    wanted = set()
    for one, other in [(one, other) for one in videos for other in videos if one < other]:
        bits = [
            np.unpackbits(np.frombuffer(x.look, np.uint8) ^ np.frombuffer(y.look, np.uint8)).sum()
            for x, y in zip(videos[one], videos[other], strict=False)
        ]
        limit = most_difference * (1 - 2 / (3 * len(bits)))
        alike_first = bits[0] / LOOK_BITS <= module.FIRST_SLACK * most_difference
        if len(videos[one]) == len(videos[other]) and alike_first and np.mean(bits) / LOOK_BITS <= limit:
            wanted.add(frozenset((one, other)))
    rows = sorted((row for rows in videos.values() for row in rows), key=lambda row: row.key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_TRACKS", 2)
        patch.setattr(module, "CHUNK_PAIRS", 3)
        report = found(rows, tmp_path_factory.mktemp("all"), most_difference)
    linked = {copy.video for group in report.groups for copy in group.copies}
    linked |= {group.original for group in report.groups}
    assert linked == {video for pair in wanted for video in pair}
    for group in report.groups:
        for copy in group.copies:
            assert any(copy.video in pair for pair in wanted)


def test_few_samples_must_be_more_alike_than_many(tmp_path: Path) -> None:
    bits = 27  # 0.105 of them
    for pieces, wanted in ((1, 0), (2, 1), (4, 1)):
        rows = video_of("a", 1, pieces) + video_of("b", 1, pieces, bits)
        assert len(found(rows, tmp_path / str(pieces)).copies) == wanted


def test_what_is_no_copy(tmp_path: Path) -> None:
    one = video_of("a", 1, pieces=4)
    same_video = video_of("a", 1, pieces=4, track=1)
    shorter = video_of("b", 1, pieces=3)
    most_of_it_is_new = [
        *video_of("c", 1, pieces=4),
        *video_of("c", 2, pieces=3, track=1),
        *video_of("c", 3, pieces=2, track=2),
    ]
    assert found([*one, *same_video], tmp_path / "0").groups == []
    assert found([*one, *shorter], tmp_path / "1").groups == []
    assert found([*one, *most_of_it_is_new], tmp_path / "2").groups == []
    assert found([*one, *most_of_it_is_new[:-2]], tmp_path / "3").copies == ["c"]


def with_bits(name: str, bits: list[int]) -> list[SampleRow]:
    """A copy of the track of seed 1 that differs by as many bits in each of its samples."""
    looks = [changed(random_look(100 + piece), count) for piece, count in enumerate(bits)]
    return [row(name, look, piece) for piece, look in enumerate(looks)]


def test_a_first_sample_may_differ_more_than_the_mean(tmp_path: Path) -> None:
    one = video_of("a", 1, pieces=4)
    assert found([*one, *with_bits("b", [61, 0, 0, 0])], tmp_path / "0").copies == ["b"]
    assert found([*one, *with_bits("b", [62, 0, 0, 0])], tmp_path / "1").copies == []


def test_only_common_samples_are_compared(tmp_path: Path) -> None:
    without_second = [part for part in video_of("b", 1, pieces=4, bits=8) if part.piece != 1]
    [group] = found([*video_of("a", 1, pieces=4), *without_second], tmp_path).groups
    assert group.copies == [Copy("b", ["ann"], round(8 / 256, 4))]


def test_lengths_differ_by_a_second_at_most(tmp_path: Path) -> None:
    [one], [other] = video_of("a", 1, pieces=1), video_of("b", 1, pieces=1)
    for end, wanted in ((2.0, ["b"]), (2.01, [])):
        assert found([one, replace(other, time_seconds=[0.0, end])], tmp_path / str(end)).copies == wanted


def test_tracks_without_their_first_sample_are_counted(tmp_path: Path) -> None:
    report = found([*video_of("a", 1, pieces=3), *video_of("b", 1, pieces=3)[1:]], tmp_path)
    assert (report.tracks, report.not_compared, report.groups) == (2, 1, [])


def test_an_empty_set_and_a_wrong_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found([], tmp_path) == NearDuplicates(str(tmp_path / "set"), MOST_DIFFERENCE, 0, 0, [])
    assert main(["duplicates", str(tmp_path / "set"), "--most-difference", "0.5"]) == 2
    assert "most_difference: found 0.5, wanted 0 to below 0.5" in capsys.readouterr().err
    assert main(["duplicates", str(tmp_path / "none")]) == 2
    assert "has no manifest.json" in capsys.readouterr().err
