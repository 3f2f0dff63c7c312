"""The table on prediction: its arithmetic, and the whole command at a tiny size."""

import json
import subprocess
import sys

import pytest

from tests.benchmarks.inference.__main__ import STAGES, Size, main, ratios, text

FACTS = {"date": "2026-01-01", "command": "c", "commit": "abc", "host": "h"}


def one_round(predict: float) -> dict[str, object]:
    parts = {stage: {"cpu": 1.0, "wall": 2.0} for stage in STAGES}
    took = {"predict": {"cpu": predict, "wall": predict}}
    return {"alone": {"frames": 100, "seconds": parts}, "predict": {"frames": 100, "seconds": took}}


def peaks(first: float, last: float) -> list[dict[str, object]]:
    return [{"frames": 10, "grown_bytes": megabytes * 1e6} for megabytes in (first, last)]


def test_ratios_are_of_all_parts_within_a_round():
    assert ratios([one_round(4.0), one_round(3.0)], "cpu") == [0.75, 1.0]
    assert ratios([one_round(4.0), one_round(3.0)], "wall") == [1.5, 2.0]


@pytest.mark.parametrize(("predict", "grown", "missed"), [(6.0, 7.0, 0), (7.0, 7.0, 1), (7.0, 9.0, 2)])
def test_bars_that_are_missed_are_called_so(predict, grown, missed):
    found = text(FACTS, Size(), 5, [one_round(predict)], peaks(100.0, 100.0 + grown))
    assert found.count(": missed") == missed
    assert f"found {6 / predict:.2f} by wall and {3 / predict:.2f} by CPU" in found


def test_the_command_makes_a_dated_table(tmp_path):
    encoder = ("encoder.image_size=32", "encoder.settings={num_hidden_layers: 1}")
    words = ["seconds=0.4", "minutes=[0.01,0.02]", *encoder, "hidden=8", "crop=32"]
    main(["--rounds", "1", "--work", str(tmp_path), "--out", str(tmp_path / "out"), "--size", *words])
    [file] = (tmp_path / "out").glob("inference-*.json")
    content = json.loads(file.read_text())
    [one] = content["rounds"]
    assert one["predict"]["frames"] == one["predict"]["rows"] == one["alone"]["frames"] == 10
    assert set(one["alone"]["seconds"]) == set(STAGES)
    assert [peak["frames"] for peak in content["peaks"]] == [20, 30]
    assert "Bars: at least .9" in file.with_suffix(".md").read_text()


def test_what_can_be_corrected_ends_with_a_message():
    words = [sys.executable, "-m", "tests.benchmarks.inference", "--rounds", "0"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "--rounds: found 0, wanted at least 1\n"
