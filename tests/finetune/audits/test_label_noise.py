import numpy as np
import pytest

from finetune.audits.label_noise import audit_label_noise, out_of_fold, plant, suspicious
from pretrain.config import ConfigError
from pretrain.labels import LabelledFrames
from pretrain.sampled import SampledFrames

PEOPLE, EACH = 10, 60


@pytest.fixture(scope="module")
def known():
    """Features that hold two AUs under noise; a third AU is in no feature."""
    rng = np.random.default_rng(3)
    count = PEOPLE * EACH
    label_FA = (rng.random((count, 3)) < 0.4).astype(np.int8)
    feature_FD = np.concatenate([3.0 * label_FA[:, :2], np.zeros((count, 4))], axis=1)
    feature_FD = feature_FD + rng.normal(size=(count, 6))
    label_FA[::7, 1] = -1
    person_F = [f"p{frame // EACH}" for frame in range(count)]
    frames = SampledFrames(
        list(range(count)), [0] * count, person_F, [f"{p}.avi" for p in person_F], [b""] * count, np.zeros(0)
    )
    return LabelledFrames(frames, (1, 2, 4), label_FA), feature_FD


def literal(probability_F, label_F):
    """Northcutt et al. 2021, equations 1 and 2, frame by frame: the confident joint's off-diagonal."""
    thresholds = {}
    for j in (0, 1):
        of_class = [p if j else 1 - p for p, y in zip(probability_F, label_F, strict=True) if y == j]
        thresholds[j] = sum(of_class) / len(of_class)
    flags = []
    for p, y in zip(probability_F, label_F, strict=True):
        reached = {j: (p if j else 1 - p) for j in (0, 1) if (p if j else 1 - p) >= thresholds[j]}
        flags.append(bool(reached) and max(reached, key=lambda j: reached[j]) != y)
    return flags


def test_flags_are_the_off_diagonal_of_the_confident_joint():
    rng = np.random.default_rng(0)
    label_FA = rng.integers(0, 2, (300, 1)).astype(np.int8)
    probability_FA = np.clip(0.5 + 0.3 * (label_FA - 0.5) + rng.normal(0, 0.25, (300, 1)), 0.01, 0.99)
    flags = suspicious(probability_FA, label_FA).flagged_FA[:, 0]
    assert flags.tolist() == literal(probability_FA[:, 0].tolist(), label_FA[:, 0].tolist())
    assert 0 < flags.sum() < 300


def test_labels_are_judged_by_probes_that_have_not_seen_the_person(known):
    frames, feature_FD = known
    people = frames.frames.person_F
    before = out_of_fold(feature_FD, frames.label_FA, people, 0)
    mine = np.array([person == "p4" for person in people])
    turned = np.where(mine[:, None] & (frames.label_FA >= 0), 1 - frames.label_FA, frames.label_FA)
    after = out_of_fold(feature_FD, turned.astype(np.int8), people, 0)
    np.testing.assert_array_equal(before[mine], after[mine])
    assert np.abs(before[~mine] - after[~mine]).max() > 0


def test_planted_flips_are_found_far_above_chance(known):
    frames, feature_FD = known
    only = LabelledFrames(frames.frames, (1, 2), frames.label_FA[:, :2])
    audit = audit_label_noise(only, feature_FD, 0.1, seed=5)
    found = {number.name: number for number in audit.numbers}
    assert found["recall of planted flips"].value > 0.5
    assert found["precision of flags"].value > 0.6
    chance = found["planted share, the precision of flags at random"]
    assert chance.value == pytest.approx(0.1, abs=0.001)
    assert found["precision of flags"].interval.low > 3 * chance.value
    assert audit_label_noise(only, feature_FD, 0.1, seed=5).numbers == audit.numbers
    assert audit_label_noise(only, feature_FD, 0.1, seed=6).numbers != audit.numbers


def test_what_no_feature_holds_cannot_be_audited(known):
    frames, feature_FD = known
    audit = audit_label_noise(LabelledFrames(frames.frames, (4,), frames.label_FA[:, 2:]), feature_FD, 0.1, 5)
    found = {number.name: number for number in audit.numbers}
    assert found["precision of flags"].interval.low < 0.15


def test_flips_are_of_coded_labels_alone_and_as_many_as_asked(known):
    frames, _ = known
    flips_FA = plant(frames.label_FA, 0.2, seed=1)
    coded = frames.label_FA >= 0
    assert flips_FA.sum() == round(0.2 * coded.sum())
    assert not (flips_FA & ~coded).any()


def test_without_planting_the_most_suspicious_are_listed(known):
    frames, feature_FD = known
    wrong = frames.label_FA.copy()
    wrong[5, 0] = 1 - wrong[5, 0]
    feature_FD = feature_FD.copy()
    feature_FD[5, 0] = 9.0 if wrong[5, 0] == 0 else -6.0
    audit = audit_label_noise(LabelledFrames(frames.frames, frames.aus, wrong), feature_FD, 0.0, seed=0)
    said = "present" if wrong[5, 0] else "absent"
    assert audit.lines[0].startswith(f"p0.avi, row 5, frame 0: AU1 labelled {said}, margin 0.")
    assert "look wrong; the most suspicious are listed" in audit.verdict


def test_messages(known):
    frames, feature_FD = known
    with pytest.raises(ConfigError, match=r"wanted a share from 0 to below 0.5"):
        plant(frames.label_FA, 0.6, 0)
    with pytest.raises(ConfigError, match=r"5 people or more are needed .* found 4"):
        out_of_fold(
            feature_FD[: 4 * EACH], frames.label_FA[: 4 * EACH], frames.frames.person_F[: 4 * EACH], 0
        )
