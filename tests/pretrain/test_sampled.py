import shutil

import numpy as np
import pytest
import simplejpeg

from pretrain.sampled import encode_frames, read_sampled, spread_frames
from shards.errors import ShardError
from shards.tracks import load_tracks
from tests.toy_set import write_set


@pytest.fixture(scope="module")
def toy_set(tmp_path_factory) -> str:
    return write_set(tmp_path_factory.mktemp("toy") / "set")


def test_frames_are_spread_over_all_pieces_of_a_video(toy_set):
    tracks = load_tracks(toy_set)
    chosen = spread_frames(tracks, range(len(tracks)), 4)
    videos = [tracks.videos[row] for row, _ in chosen]
    assert {video: videos.count(video) for video in videos} == dict.fromkeys(sorted(set(tracks.videos)), 4)
    first = [(row, frame) for row, frame in chosen if tracks.videos[row] == videos[0]]
    times = [float(tracks.times(row)[frame]) for row, frame in first]
    assert times == pytest.approx([0.0, 8 / 20, 15 / 20, 23 / 20])
    assert len(spread_frames(tracks, [0], 99)) == tracks.num_frames[0]


def test_what_is_read_is_what_was_packed(toy_set):
    tracks = load_tracks(toy_set)
    frames = read_sampled(tracks, [(3, 5), (0, 2), (3, 1)])
    assert list(zip(frames.row_F, frames.place_F, strict=True)) == [(3, 5), (0, 2), (3, 1)]
    assert frames.person_F == [tracks.identities[row] for row in (3, 0, 3)]
    for jpeg, pixels in zip(frames.jpeg_F, frames.pixels_FHWC, strict=True):
        np.testing.assert_array_equal(simplejpeg.decode_jpeg(jpeg), pixels)
    vectors = encode_frames(lambda frames_NCHW: frames_NCHW.mean(dim=(2, 3)), frames, 32)
    np.testing.assert_allclose(vectors, frames.pixels_FHWC.mean(axis=(1, 2)) / 255, atol=0.01)


def test_a_set_that_cannot_be_read_says_so(toy_set, tmp_path):
    shutil.copytree(toy_set, tmp_path / "set")
    for shard in (tmp_path / "set").glob("shards/*.tar"):
        shard.write_bytes(b"")
    with pytest.raises(ShardError, match="none of the 1 frames asked for could be read"):
        read_sampled(load_tracks(str(tmp_path / "set")), [(0, 0)])
