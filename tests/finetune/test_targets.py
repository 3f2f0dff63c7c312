from dataclasses import replace

import numpy as np
import pytest

from finetune.frames import run_frames
from finetune.protocols.registry import PROTOCOLS
from finetune.targets import au_weights, class_rates, kind_of, make_target, positive_rates, read_labels
from pretrain.config import ConfigError
from shards.errors import ShardError
from shards.tracks import load_tracks
from tests.toy_set import EXPRESSIONS, write_stills


def test_detection_is_intensity_of_two_or_more_in_the_protocols_order(toy_set):
    tracks = load_tracks(toy_set)
    detection = make_target("detection", PROTOCOLS["disfa"], tracks.manifest)
    intensity = make_target("intensity", PROTOCOLS["disfa"], tracks.manifest)
    assert detection.aus == (1, 2, 4, 6, 9, 12, 25, 26)
    rows = range(len(tracks))
    present, degree = read_labels(tracks, rows, detection), read_labels(tracks, rows, intensity)
    columns = [intensity.aus.index(au) for au in detection.aus]
    for row in rows:
        np.testing.assert_array_equal(present[row], degree[row][:, columns] >= 2)


def test_missing_stays_missing(toy_set):
    target = make_target("detection", PROTOCOLS["disfa"], load_tracks(toy_set).manifest)
    raw_TM = np.full((1, 12), -1, np.int8)
    assert (target.convert(raw_TM) == -1).all()


def test_au_weights_of_methods_5_6():
    rate_A = np.array([0.1, 0.2, 0.4])
    weight_A = au_weights(rate_A)
    assert weight_A.sum() == pytest.approx(3)
    np.testing.assert_allclose(weight_A * rate_A, weight_A[0] * rate_A[0])


def test_rates_leave_missing_out_and_refuse_a_class_that_is_not_there(toy_set):
    target = make_target("detection", PROTOCOLS["disfa"], load_tracks(toy_set).manifest)
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
        make_target("detection", PROTOCOLS["disfa"], unlabelled.manifest)
    url = make_set(tmp_path / "damaged")
    shard = tmp_path / "damaged" / "shards" / "u0-000.tar"
    shard.write_bytes(bytes(shard.stat().st_size))
    tracks = load_tracks(url)
    with pytest.raises(ShardError, match=r"u0-000.tar#toy-.*: member intensity.npy does not match its CRC"):
        read_labels(tracks, range(len(tracks)), make_target("detection", PROTOCOLS["disfa"], tracks.manifest))


def stills():
    """Three of everything to train, one to test, and one without an expression."""
    shown = {f"train_{number:05d}": EXPRESSIONS[number % 7] for number in range(21)}
    shown |= {f"test_{number:04d}": EXPRESSIONS[number] for number in range(7)}
    return {**shown, "train_00099": None}


def test_expressions_are_classes_in_the_protocols_order(tmp_path):
    tracks = load_tracks(write_stills(tmp_path / "set", stills()))
    target = make_target("expression", PROTOCOLS["rafdb"], tracks.manifest)
    assert target.names == PROTOCOLS["rafdb"].expression
    assert target.labelled(tracks).sum() == 28
    labels = read_labels(tracks, range(len(tracks)), target)
    assert len(labels) == 28
    for row, label_FA in labels.items():
        assert label_FA.shape == (1, 1)
        assert target.names[label_FA[0, 0]] == stills()[tracks.identities[row]]
    table = run_frames(
        lambda frames, n, state: (frames.mean((3, 4)), None), tracks, [28, 3], target, image_size=32
    )
    assert sorted(table.label_FA[:, 0].tolist()) == [-1, target.expression_index(tracks.expressions[3])]


def test_an_expression_that_the_protocol_leaves_out_is_no_label(tmp_path):
    fewer = replace(PROTOCOLS["rafdb"], expression=("neutral", "anger"))
    tracks = load_tracks(write_stills(tmp_path / "set", stills()))
    target = make_target("expression", fewer, tracks.manifest)
    assert target.labelled(tracks).sum() == 8
    assert {int(label_FA[0, 0]) for label_FA in read_labels(tracks, range(len(tracks)), target).values()} == {
        0,
        1,
    }
    more = replace(fewer, expression=("neutral", "contempt"))
    with pytest.raises(ConfigError, match=r"the set has \['surprise', .* so \['contempt'\] are missing"):
        make_target("expression", more, tracks.manifest)


def test_class_rates_and_a_class_that_nobody_shows(tmp_path):
    tracks = load_tracks(write_stills(tmp_path / "set", stills()))
    target = make_target("expression", PROTOCOLS["rafdb"], tracks.manifest)
    labels = read_labels(tracks, range(len(tracks)), target)
    np.testing.assert_allclose(class_rates(labels, target), 1 / 7)
    one = {row: label_FA for row, label_FA in labels.items() if label_FA[0, 0] != 2}
    with pytest.raises(ConfigError, match="no training frame of 24 shows disgust"):
        class_rates(one, target)


def test_the_first_kind_that_the_protocol_has():
    assert kind_of(PROTOCOLS["fera2015"], ("detection", "intensity")) == "intensity"
    assert kind_of(PROTOCOLS["disfa"], ("detection", "expression")) == "detection"
    assert kind_of(PROTOCOLS["ferplus"], ("detection", "expression")) == "expression"
    with pytest.raises(ConfigError, match="'rafdb' has no labels of detection or intensity, which the task"):
        kind_of(PROTOCOLS["rafdb"], ("detection", "intensity"))
