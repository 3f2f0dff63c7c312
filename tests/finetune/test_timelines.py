import io

import numpy as np
import pandas as pd
import pytest

from finetune.timelines import correlation, examples, most_active

AUS = [1, 4, 12]


def table(skill):
    """Per person, how well the prediction follows the truth of AU4 and AU12; AU1 never moves."""
    rows = []
    rng = np.random.default_rng(0)
    for person, share in skill.items():
        for frame in range(40):
            truth = {1: 0, 4: round(2.5 + 2 * np.sin(frame / 4)), 12: round(3 + 2 * np.cos(frame / 4))}
            row = {"person": person, "key": f"k{person}", "frame_index": frame, "time_seconds": frame / 20}
            for au in AUS:
                noise = rng.normal() * 2
                row[f"AU{au}_intensity_0_5"] = share * truth[au] + (1 - abs(share)) * noise
                row[f"AU{au}_label"] = truth[au]
            rows.append(row)
    return pd.DataFrame(rows).sample(frac=1.0, random_state=0)


def parquet(frame):
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return sink.getvalue()


def test_the_best_the_median_and_the_worst_are_chosen():
    found = examples(parquet(table({"a": 0.0, "b": 1.0, "c": -1.0, "d": 0.9, "e": 0.3})), AUS)
    assert found.videos == 5
    assert found.best.person == "b"
    assert found.worst.person == "c"
    assert found.median.person == "e"
    assert found.best.correlation == pytest.approx(1.0)
    assert found.aus[-1] == 1
    assert (np.diff(found.best.time_seconds_T) > 0).all()
    assert found.best.frame_index_T == list(range(40))


def test_frames_that_nobody_coded_count_for_nothing():
    frame = table({"a": 1.0})
    frame.loc[frame["frame_index"] < 10, "AU4_label"] = -1
    found = examples(parquet(frame), AUS)
    assert np.isnan(found.best.true_TA[:10, found.aus.index(4)]).all()
    assert found.best.correlation == pytest.approx(1.0)
    assert most_active(frame.assign(AU1_label=5), AUS, 1) == (1,)


def test_a_flat_prediction_is_no_correlation_and_a_flat_truth_is_none():
    moving, flat = np.array([0.0, 1.0, 2.0]), np.zeros(3)
    assert correlation(moving, flat) == 0.0
    assert np.isnan(correlation(flat, moving))
    still = table({"a": 1.0}).assign(**{f"AU{au}_label": 0 for au in AUS})
    assert examples(parquet(still), AUS) is None
