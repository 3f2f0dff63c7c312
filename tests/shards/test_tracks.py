"""An opened set: where every frame and label lies, who is shown, and what is refused."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from shards import storage
from shards.errors import ShardError
from shards.schema import INTENSITY_MEMBER, MANIFEST_NAME, OCCURRENCE_MEMBER, Manifest, identity_hash
from shards.tracks import load_tracks
from tests.drawn_set import expression_of, write_set

PEOPLE, SAMPLES, FRAMES, UNITS, SIZE = 4, 3, 10, 2, 16


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("drawn")
    write_set(str(folder / "set"), folder / "tars", PEOPLE, SAMPLES, FRAMES, UNITS, SIZE, labelled=True)
    return str(folder / "set")


@pytest.fixture(scope="module")
def tracks(drawn):
    return load_tracks(drawn)


def test_rows_are_the_sets_samples_in_the_order_of_its_units(tracks):
    assert len(tracks) == PEOPLE * SAMPLES
    numbers = [int(key.split("-")[0], 16) for key in tracks.keys]
    assert numbers == [number for unit in range(UNITS) for number in range(unit, PEOPLE * SAMPLES, UNITS)]
    assert [tracks.unit_of(row) for row in range(len(tracks))] == [number % UNITS for number in numbers]
    assert tracks.identities == [f"person{number % PEOPLE}" for number in numbers]
    assert tracks.videos == [f"video{number}" for number in numbers]
    assert tracks.num_frames.tolist() == [FRAMES] * len(tracks)
    assert set(tracks.activities) == {None}
    assert tracks.expressions == [expression_of(number) for number in numbers]
    assert not tracks.track.any()
    assert not tracks.piece.any()
    assert tracks.digest == tracks.manifest.digest


def test_the_place_of_every_frame_holds_that_jpeg(drawn, tracks):
    for row in range(len(tracks)):
        assert tracks.times(row) == pytest.approx(np.arange(FRAMES) / 25)
        shard = storage.read_bytes(storage.join(drawn, tracks.shards[row]))
        for start, length, crc32 in zip(*tracks.frame_places(row), strict=True):
            data = shard[start : start + length]
            assert zlib.crc32(data) == crc32
            assert simplejpeg.decode_jpeg(data).shape == (SIZE, SIZE, 3)


def test_the_place_of_every_label_holds_that_array(drawn, tracks):
    for name in (OCCURRENCE_MEMBER, INTENSITY_MEMBER):
        assert tracks.labelled(name).all()
        for row in range(len(tracks)):
            unit, local = tracks.place(row)
            offset, length, crc32 = unit.labels[name][local]
            data = storage.read_range(storage.join(drawn, tracks.shards[row]), offset, length)
            assert zlib.crc32(data) == crc32
            assert data.startswith(b"\x93NUMPY")


def test_an_unlabelled_set_has_no_places_for_labels(tmp_path):
    write_set(str(tmp_path / "set"), tmp_path / "tars", 2, 1, 4, 1, SIZE)
    tracks = load_tracks(str(tmp_path / "set"))
    assert tracks.unit(0).labels == {}
    assert not tracks.labelled(OCCURRENCE_MEMBER).any()


def test_only_so_many_rows_are_kept(drawn, monkeypatch):
    monkeypatch.setattr("shards.tracks.KEPT_ROWS", 1)
    tracks = load_tracks(drawn)
    first = tracks.unit(0)
    assert tracks.unit(0) is first
    tracks.unit(1)
    again = tracks.unit(0)
    assert again is not first
    assert again.names.equals(first.names)


def test_rows_of_people(tracks):
    rows = tracks.rows_of({"person1", "person3", "nobody"})
    assert len(rows) == 2 * SAMPLES
    assert {tracks.identities[row] for row in rows} == {"person1", "person3"}
    assert len(tracks.rows_of(set())) == 0


def test_people_are_hashed_within_their_set(tracks):
    people = [hashed for unit in range(UNITS) for hashed in tracks.unit(unit).identity_N.tolist()]
    assert people == [identity_hash("drawn", name) for name in tracks.identities]
    hashes = {identity_hash(space, name) for space in ("a", "b") for name in ("x", "y", "")}
    assert len(hashes) == 6
    assert all(0 <= value < 2**63 for value in hashes)
    # Checkpoints of the memory hold these numbers: they may never change.
    assert identity_hash("drawn", "person0") == 1777673038771092302


def copy_of(drawn: str, folder: Path) -> str:
    for name in storage.list_names(drawn):
        storage.write_bytes(str(folder / name), storage.read_bytes(storage.join(drawn, name)))
    return str(folder)


def test_an_index_that_is_not_the_manifests_is_refused(drawn, tmp_path):
    url = copy_of(drawn, tmp_path)
    manifest = Manifest.from_json(storage.read_bytes(f"{url}/{MANIFEST_NAME}").decode(), url)
    one, other = (f"{url}/{entry.name}" for entry in manifest.indexes)
    storage.write_bytes(one, storage.read_bytes(other))
    tracks = load_tracks(url)
    with pytest.raises(ShardError, match=manifest.indexes[0].name):
        tracks.unit(0)


def test_an_empty_set_is_refused(tmp_path):
    write_set(str(tmp_path / "set"), tmp_path / "tars", people=0, units=1)
    with pytest.raises(ShardError, match=r"holds no samples; its failures/ folder says why"):
        load_tracks(str(tmp_path / "set"))
