import json

import numpy as np
import pandas as pd
import pytest

from finetune.audits.neutral import audit_neutral, calibrate, neutral_frames
from finetune.jobs import load_jobs
from finetune.predictions import read_predictions
from finetune.results import dump_sums, summary
from pretrain.config import ConfigError
from pretrain.metrics.intensity import icc, intensity_sums

AUS = (1, 12)


def write_job(folder, make_result, offset=4.0, fold=3):
    """People whose predictions are right but for an offset of their own; the first second is neutral."""
    rng = np.random.default_rng(fold)
    rows = []
    for person in range(6):
        shift = offset * rng.random(2)
        for frame in range(60):
            truth = np.zeros(2, int) if frame < 20 else rng.integers(0, 6, 2)
            value = np.clip(0.5 * truth + shift + rng.normal(0, 0.05, 2), 0, 5)
            rows.append(
                {
                    "person": f"p{fold}-{person}",
                    "key": f"p{person}-000-{frame // 30:03d}",
                    "frame_index": frame % 30,
                    "time_seconds": 0.5 + frame / 20,
                    **{f"AU{au}_intensity_0_5": np.float32(value[a]) for a, au in enumerate(AUS)},
                    **{f"AU{au}_label": np.int8(truth[a]) for a, au in enumerate(AUS)},
                }
            )
    table = pd.DataFrame(rows)
    value_FA = table[[f"AU{au}_intensity_0_5" for au in AUS]].to_numpy()
    label_FA = table[[f"AU{au}_label" for au in AUS]].to_numpy()
    sums = intensity_sums(value_FA, label_FA, table["person"].tolist())
    result = make_result("random", fold=fold) | {"kind": "intensity", "aus": list(AUS), "task": "intensity"}
    result["config"]["task"] = "intensity"
    result["test"] = dict.fromkeys(("honest", "best_on_test", "labelled_mean"), summary(sums, AUS))
    result["per_person"], result["people"] = dump_sums(sums), {"test": sums.people}
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(result))
    table.to_parquet(folder / "test_predictions.parquet")
    return folder


def test_an_offset_of_each_person_goes(tmp_path, make_result):
    jobs = load_jobs([write_job(tmp_path / "a", make_result)])
    for rule in ("first", "labelled"):
        audit = audit_neutral(jobs, rule, 1.0)
        found = {number.name: number for number in audit.numbers}
        assert found["icc, calibrated"].value > found["icc, as predicted"].value + 0.02
        assert found["icc, calibrated minus as predicted"].interval.low > 0
        assert found["people without one, over all jobs"].value == 0
        assert "ICC changes by calibration" in audit.verdict


def test_both_scores_are_over_the_frames_that_are_not_neutral(tmp_path, make_result):
    ((folder, result),) = load_jobs([write_job(tmp_path / "a", make_result, offset=0.0)])
    frames = read_predictions(folder, result)
    neutral_F = neutral_frames(frames, "first", 1.0)
    assert neutral_F.sum() == 6 * 20
    assert (frames.time_seconds_F[neutral_F] < 1.5).all()
    rest = ~neutral_F
    people = [person for person, kept in zip(frames.person_F, rest, strict=True) if kept]
    wanted = icc(intensity_sums(frames.value_FA[rest], frames.label_FA[rest], people)).mean()
    found = {number.name: number.value for number in audit_neutral([(folder, result)], "first", 1.0).numbers}
    assert found["icc, as predicted"] == pytest.approx(wanted)
    assert found["neutral frames, over all jobs"] == 120


def test_only_what_a_person_has_more_than_others_is_taken_off(tmp_path, make_result):
    ((folder, result),) = load_jobs([write_job(tmp_path / "a", make_result, offset=0.5)])
    frames = read_predictions(folder, result)
    neutral_F = neutral_frames(frames, "first", 1.0)
    shifted_FA = calibrate(frames, neutral_F)
    people = np.asarray(frames.person_F)
    medians = {p: np.median(frames.value_FA[neutral_F & (people == p)], axis=0) for p in sorted(set(people))}
    common_A = np.median(list(medians.values()), axis=0)
    for person, median_A in medians.items():
        mine = people == person
        wanted = np.clip(frames.value_FA[mine] - (median_A - common_A), 0, 5)
        np.testing.assert_allclose(shifted_FA[mine], wanted, atol=1e-6)


def test_folds_are_put_together_and_other_arms_refused(tmp_path, make_result):
    folders = [write_job(tmp_path / str(fold), make_result, fold=fold) for fold in (1, 2)]
    audit = audit_neutral(load_jobs(folders), "first", 1.0)
    assert {n.name: n.value for n in audit.numbers}["neutral frames, over all jobs"] == 240
    content = json.loads((folders[1] / "result.json").read_text())
    content["config"]["intensity"] = {"window": 3}
    content["protocol"]["fold"] = 1
    content["people"]["test"] = [person.replace("p2", "p1") for person in content["people"]["test"]]
    (folders[1] / "result.json").write_text(json.dumps(content))
    with pytest.raises(
        ConfigError, match=r"jobs of one arm wanted, found \['intensity.window=16', 'intensity.w"
    ):
        audit_neutral(load_jobs(folders), "first", 1.0)


def test_messages(tmp_path, make_result):
    jobs = load_jobs([write_job(tmp_path / "a", make_result)])
    with pytest.raises(ConfigError, match="no tested frame is neutral"):
        audit_neutral(jobs, "first", 0.0)
    (tmp_path / "a" / "test_predictions.parquet").unlink()
    with pytest.raises(
        ConfigError, match=r"no test_predictions.parquet in .*; give the job's whole run folder"
    ):
        audit_neutral(jobs, "first", 1.0)
