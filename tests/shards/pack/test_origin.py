import dataclasses
from pathlib import Path

import pytest

from shards import storage
from shards.errors import ShardError
from shards.layouts.layout import Source
from shards.layouts.registry import get_layout, list_sources
from shards.pack.origin import LocalOrigin, fingerprint, open_origin, source_bytes


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "a.mp4").write_bytes(b"a" * 30)
    return Source("a.mp4", tmp_path / "a.mp4", "someone")


def test_fingerprints_see_video_labels_and_identity(source: Source, tmp_path: Path) -> None:
    origin = LocalOrigin(tmp_path)
    labels = tmp_path / "labels"
    labels.write_text("1")
    labelled = dataclasses.replace(source, label_files=[labels])
    found = {
        fingerprint(source, origin),
        fingerprint(labelled, origin),
        fingerprint(dataclasses.replace(source, identity="x"), origin),
        fingerprint(dataclasses.replace(source, expression="joy"), origin),
    }
    labels.write_text("2")
    found.add(fingerprint(labelled, origin))
    source.path.write_bytes(b"other")
    found.add(fingerprint(source, origin))
    assert len(found) == 6


def test_a_data_set_that_this_machine_does_not_see(source: Source, tmp_path: Path) -> None:
    with (
        pytest.raises(ShardError, match=r"does not see .*; the machines of a cluster need a shared folder"),
        LocalOrigin(tmp_path / "elsewhere").fetched(source, tmp_path),
    ):
        pass


def put(url: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        storage.write_bytes(storage.join(url, name), content)


def test_a_video_comes_from_the_store_when_it_is_needed(bucket_url: str, tmp_path: Path) -> None:
    large = bytes(range(256)) * 70_000  # more than one part
    put(bucket_url, {"ann/été.v1.mp4": large, "bob/2.mp4": b"two", "notes.txt": b"no video"})
    with open_origin(bucket_url, tmp_path) as origin:
        listing = list_sources(get_layout("folder"), origin.root)
        assert [line.source for line in listing.failures] == ["notes.txt"]
        first, second = listing.sources
        assert (first.identity, second.identity) == ("ann", "bob")
        assert [source_bytes(source, origin) for source in listing.sources] == [len(large), 3]
        assert first.path.stat().st_size == 0
        with origin.part([first]).fetched(first, tmp_path / "spool") as here:
            assert here.path.read_bytes() == large
            assert here.video_id == first.video_id
        assert list((tmp_path / "spool").iterdir()) == []
        marks = {fingerprint(source, origin) for source in listing.sources}
        with pytest.raises(KeyError), origin.part([first]).fetched(second, tmp_path / "spool"):
            pass
        storage.write_bytes(f"{bucket_url}/bob/2.mp4", b"longer")
        with (
            pytest.raises(ShardError, match="has 6 bytes and had 3 when listed"),
            origin.part([second]).fetched(second, tmp_path / "spool"),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    with open_origin(bucket_url, tmp_path) as origin:
        again = list_sources(get_layout("folder"), origin.root)
        assert len(marks | {fingerprint(source, origin) for source in again.sources}) == 3


def test_folders_of_pictures_and_labels_come_from_the_store(bucket_url: str, tmp_path: Path) -> None:
    put(bucket_url, {f"ann/one/{number:03d}.jpg": bytes([number]) for number in range(3)})
    put(bucket_url, {"labels.csv": b"1,2"})
    with open_origin(bucket_url, tmp_path) as origin:
        labels = origin.root / "labels.csv"
        source = Source("ann/one", origin.root / "ann" / "one", "ann", label_files=[labels])
        part = origin.part([source])
        size = source_bytes(source, origin)
    assert size == 3
    assert not labels.exists()  # as on another machine
    with part.fetched(source, tmp_path / "spool") as here:
        assert [path.read_bytes() for path in sorted(here.path.iterdir())] == [b"\0", b"\1", b"\2"]
        assert labels.read_bytes() == b"1,2"


def test_wrong_places(bucket_url: str, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="holds no objects"), open_origin(f"{bucket_url}/none", tmp_path):
        pass
    with pytest.raises(ShardError, match="wanted s3://BUCKET"), open_origin("gs://bucket/x", tmp_path):
        pass
