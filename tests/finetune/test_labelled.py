import numpy as np

from finetune.labelled import read_labelled
from shards.tracks import load_tracks


def test_labels_stay_with_their_frames(toy_set):
    tracks = load_tracks(toy_set)
    labelled = read_labelled(tracks, ("SN001", "SN006"), "disfa", 12)
    assert set(labelled.frames.person_F) == {"SN001", "SN006"}
    some = labelled.only(np.array([5, 1]))
    assert [some.frames.person_F[0], some.frames.jpeg_F[1]] == [
        labelled.frames.person_F[5],
        labelled.frames.jpeg_F[1],
    ]
    np.testing.assert_array_equal(some.label_FA, labelled.label_FA[[5, 1]])
    # In the toy set an AU brightens its square.
    frames = labelled.frames.pixels_FHWC.astype(int)
    brighter_F = frames[:, 6, 3].mean(axis=1) - frames[:, 0, 0].mean(axis=1)
    assert np.corrcoef(brighter_F, labelled.label_FA[:, 0])[0, 1] > 0.9
