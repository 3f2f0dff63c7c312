import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from finetune.audits.leakage import audit_leakage
from pretrain.config import ConfigError
from shards.pack.faces.encode import encode
from shards.write import Sample
from tests.toy_set import SIZE, commit

FRAMES = 6


def pictures(name):
    """Frames of a video: a smooth picture of its own that drifts."""
    rng = np.random.default_rng(list(name.encode()))
    coarse = rng.integers(20, 235, (5, 5, 3)).astype(np.uint8)
    still = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return [np.roll(still, frame // 3, axis=1) for frame in range(FRAMES)]


def sample(name, frames, person=None):
    return Sample(
        key=f"toy-{name}-000-000",
        identity=person or name,
        video=f"{name}.avi",
        track=0,
        piece=0,
        next_key=None,
        activity=None,
        time_seconds=[frame / 20 for frame in range(len(frames))],
        frame_number=list(range(len(frames))),
        frames=frames,
    )


def video(name, person=None, quality=None):
    if quality is None:
        return sample(name, [encode(frame) for frame in pictures(name)], person)
    worse = [
        cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        for frame in pictures(name)
    ]
    return sample(name, [jpeg.tobytes() for jpeg in worse], person)


@pytest.fixture
def tested(tmp_path):
    return commit(tmp_path / "tested", [video("ann"), video("bob"), video("cyd")])


def numbers(audit):
    return [number.value for number in audit.numbers]


def test_strangers_are_no_leak(tmp_path, tested):
    pretrain = commit(tmp_path / "pretrain", [video("dan"), video("eve")])
    audit = audit_leakage(pretrain, tested, ["ann", "bob"])
    assert numbers(audit) == [0, 0, 0]
    assert not audit.failed
    assert audit.verdict == "No leakage was found."


def test_a_person_of_the_same_name_and_namespace_is_one(tmp_path, tested):
    """Ann is filmed anew, so nothing but the name tells it."""
    again = sample("other", [encode(frame) for frame in pictures("zoe")], "ann")
    audit = audit_leakage(commit(tmp_path / "pretrain", [again, video("dan")]), tested, ["ann", "bob"])
    assert numbers(audit) == [1, 0, 0]
    assert audit.failed
    assert audit.lines == ("ann is in the pretraining set",)
    elsewhere = commit(tmp_path / "elsewhere", [again, video("dan")], namespace="voxceleb")
    audit = audit_leakage(elsewhere, tested, ["ann", "bob"])
    assert not audit.failed
    assert audit.lines == ("The sets name people each for itself (voxceleb and toy): names prove nothing.",)


def test_equal_frames_are_found_under_another_name(tmp_path, tested):
    """One frame among strangers' frames: too little of the video to look like a copy."""
    strangers = [encode(frame) for frame in pictures("dan")]
    mixed = sample("dan", [*strangers[:3], encode(pictures("bob")[5]), *strangers[3:]])
    pretrain = commit(tmp_path / "pretrain", [mixed, video("eve")], namespace="voxceleb")
    audit = audit_leakage(pretrain, tested, ["ann", "bob"])
    assert numbers(audit) == [0, 1, 0]
    assert audit.lines[0] == "frame toy-dan-000-000:3 of dan.avi is a frame of bob.avi"
    assert audit_leakage(pretrain, tested, ["ann", "cyd"]).failed is False


def test_frames_of_equal_checksum_and_length_are_read_before_they_count(tmp_path, tested, monkeypatch):
    """Checksums of many frames meet by chance: here all of them do."""
    monkeypatch.setattr(
        "finetune.audits.leakage._codes", lambda unit: np.zeros(len(unit.frame_crc32_F), np.uint64)
    )
    pretrain = commit(tmp_path / "pretrain", [video("dan")], namespace="voxceleb")
    assert numbers(audit_leakage(pretrain, tested, ["ann"])) == [0, 0, 0]


def test_a_copy_of_a_video_is_found_by_its_looks(tmp_path, tested):
    copy = video("ann", person="stranger", quality=40)
    pretrain = commit(tmp_path / "pretrain", [copy, video("dan")], namespace="voxceleb")
    audit = audit_leakage(pretrain, tested, ["ann", "bob"])
    assert numbers(audit) == [0, 0, 1]
    assert audit.lines[0].startswith("ann.avi looks like ann.avi: ")
    assert audit.verdict == "LEAKAGE: 1 copies of tested videos."
    assert not audit_leakage(pretrain, tested, ["bob", "cyd"]).failed


def test_one_set_for_both_shows_its_tested_people(tested):
    audit = audit_leakage(tested, tested, ["ann"])
    assert numbers(audit) == [1, 1, 0]


def test_another_recipe_is_said_and_unknown_people_are_refused(tmp_path, tested):
    content = json.loads(Path(tested, "manifest.json").read_text())
    assert content["namespace"] == "toy"
    with pytest.raises(ConfigError, match=r"has nobody called \['zoe'\]; give the set that the fold tests"):
        audit_leakage(tested, tested, ["ann", "zoe"])
