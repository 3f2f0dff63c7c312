"""Labels as stored, of rows and of sampled frames."""

import shutil

import numpy as np
import pytest

from pretrain.labels import read_labelled_frames, read_member
from shards.errors import ShardError
from shards.schema import INTENSITY_MEMBER, OCCURRENCE_MEMBER
from shards.tracks import load_tracks
from tests.toy_set import PIECE, toy_intensity, write_set


@pytest.fixture(scope="module")
def toy_set(tmp_path_factory) -> str:
    return write_set(tmp_path_factory.mktemp("toy") / "set")


def test_labels_of_rows_are_those_written(toy_set):
    tracks = load_tracks(toy_set)
    degree, present = (
        read_member(tracks, [3, 0], member) for member in (INTENSITY_MEMBER, OCCURRENCE_MEMBER)
    )
    assert list(degree) == [3, 0]
    for row in (0, 3):
        begin = PIECE * int(tracks.piece[row])
        wanted_TA = toy_intensity(tracks.identities[row], 24)[begin : begin + PIECE]
        np.testing.assert_array_equal(degree[row], wanted_TA)
        np.testing.assert_array_equal(present[row], wanted_TA >= 2)


def test_frames_come_with_their_own_labels(toy_set):
    tracks = load_tracks(toy_set)
    labelled = read_labelled_frames(tracks, range(len(tracks)), INTENSITY_MEMBER, 30)
    frames = labelled.frames
    assert len(frames) == 30
    of_row = read_member(tracks, range(len(tracks)), INTENSITY_MEMBER)
    for label_A, row, place in zip(labelled.label_FA, frames.row_F, frames.place_F, strict=True):
        np.testing.assert_array_equal(label_A, of_row[row][place])


def test_messages(toy_set, tmp_path):
    unlabelled = load_tracks(write_set(tmp_path / "unlabelled", labelled=False))
    assert read_member(unlabelled, [0], INTENSITY_MEMBER) == {}
    with pytest.raises(ShardError, match="none of the 0 frames asked for could be read"):
        read_labelled_frames(unlabelled, [0, 1], INTENSITY_MEMBER, 30)
    shutil.copytree(toy_set, tmp_path / "damaged")
    shard = tmp_path / "damaged" / "shards" / "u0-000.tar"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(ShardError, match=r"u0-000.tar#toy-.*: member intensity.npy does not match its CRC"):
        read_member(load_tracks(str(tmp_path / "damaged")), [0], INTENSITY_MEMBER)
