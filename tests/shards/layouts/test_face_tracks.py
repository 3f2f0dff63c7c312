from pathlib import Path

import pytest

from shards.errors import ShardError
from shards.layouts.face_tracks import FaceTracksLayout


def test_tracks_of_both_forms(tmp_path: Path) -> None:
    names = ("ann/v/t1/1.jpg", "ann/v/t1/2.jpg", "ann/v/t2/1.jpg", "bob/1.6/v/t/01.jpg", "bob/x.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = FaceTracksLayout().list_sources(tmp_path)
    assert [(source.video_id, source.identity, source.frame_rate) for source in listing.sources] == [
        ("ann/v/t1", "ann", 1.0),
        ("ann/v/t2", "ann", 1.0),
        ("bob/1.6/v/t", "bob", 1.0),
    ]
    (failure,) = listing.failures
    assert (failure.source, failure.reason) == ("bob/x.jpg", "unknown_file")


def test_not_face_tracks(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"looked for <person>/<video>/<track>/<frame>\.jpg"):
        FaceTracksLayout().list_sources(tmp_path)
