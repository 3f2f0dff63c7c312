import numpy as np
import pytest

from finetune.protocols import DISFA
from finetune.targets import au_weights, make_target, positive_rates, read_labels
from pretrain.config import ConfigError
from shards.errors import ShardError
from shards.tracks import load_tracks


def test_detection_is_intensity_of_two_or_more_in_the_protocols_order(toy_set):
    tracks = load_tracks(toy_set)
    detection = make_target("detection", DISFA, tracks.manifest)
    intensity = make_target("intensity", DISFA, tracks.manifest)
    assert detection.aus == (1, 2, 4, 6, 9, 12, 25, 26)
    rows = range(len(tracks))
    present, degree = read_labels(tracks, rows, detection), read_labels(tracks, rows, intensity)
    columns = [intensity.aus.index(au) for au in detection.aus]
    for row in rows:
        np.testing.assert_array_equal(present[row], degree[row][:, columns] >= 2)


def test_missing_stays_missing(toy_set):
    target = make_target("detection", DISFA, load_tracks(toy_set).manifest)
    raw_TM = np.full((1, 12), -1, np.int8)
    assert (target.convert(raw_TM) == -1).all()


def test_au_weights_of_methods_5_6():
    rate_A = np.array([0.1, 0.2, 0.4])
    weight_A = au_weights(rate_A)
    assert weight_A.sum() == pytest.approx(3)
    np.testing.assert_allclose(weight_A * rate_A, weight_A[0] * rate_A[0])


def test_rates_leave_missing_out_and_refuse_a_class_that_is_not_there(toy_set):
    target = make_target("detection", DISFA, load_tracks(toy_set).manifest)
    label_FA = np.zeros((4, 8), np.int8)
    label_FA[0] = 1
    label_FA[3] = -1
    np.testing.assert_allclose(positive_rates({0: label_FA}, target), 1 / 3)
    label_FA[0, 2] = 0
    with pytest.raises(ConfigError, match="AU4 is present in 0% of the 4 training frames"):
        positive_rates({0: label_FA}, target)


def test_messages(make_set, tmp_path):
    unlabelled = load_tracks(make_set(tmp_path / "unlabelled", labelled=False))
    with pytest.raises(ConfigError, match=r"needs detection of AUs \[1, 2, .* so \[1, 2, 4, 6, .* missing"):
        make_target("detection", DISFA, unlabelled.manifest)
    url = make_set(tmp_path / "damaged")
    shard = tmp_path / "damaged" / "shards" / "u0-000.tar"
    shard.write_bytes(bytes(shard.stat().st_size))
    tracks = load_tracks(url)
    with pytest.raises(ShardError, match=r"u0-000.tar#toy-.*: member intensity.npy does not match its CRC"):
        read_labels(tracks, range(len(tracks)), make_target("detection", DISFA, tracks.manifest))
