"""The table on the contrast of AUs: its arithmetic, and the whole command at a tiny size."""

import json

import pytest
import torch

from pretrain.config import ConfigError
from tests.benchmarks.contrast.__main__ import main, ratios, text
from tests.benchmarks.contrast.side import SIDES, SUP_CON, Size, inputs, measure

torch.set_num_threads(1)
FACTS = {"date": "2026-01-01", "command": "c", "commit": "abc", "host": "h"}
SIZE = {"images": 1, "aus": 1, "width": 1, "repeats": 3}


def one_round(seconds, peak):
    rival = {"seconds": [1.0, 2.0, 9.0], "peak_bytes": 100}
    return {side: {"seconds": [seconds] * 3, "peak_bytes": peak} for side in SIDES} | {"SupCon": rival}


def test_ratios_are_of_medians_within_a_round():
    rounds = [one_round(1.0, 50), one_round(3.0, 150)]
    assert ratios(rounds, "AUNCE") == {"time": [0.5, 1.5], "memory": [0.5, 1.5]}
    assert ratios(rounds, "SupCon") == {"time": [1.0, 1.0], "memory": [1.0, 1.0]}


def test_the_bars_are_said_to_be_met_or_missed():
    assert "Found: 1.00 x the time and 1.50 x the memory.\n" in text(FACTS, SIZE, [one_round(2.0, 150)])
    missed = text(FACTS, SIZE, [one_round(3.0, 151)])
    assert "Found: 1.50 x the time: missed and 1.51 x the memory: missed.\n" in missed
    assert "| AUNCE | 3e+03 (3e+03 to 3e+03) | 1.5 (1.5 to 1.5) | 0.000151" in missed


def test_all_sides_get_the_same_inputs_and_their_own_loss():
    size = Size(images=8, aus=3, width=4, repeats=2)
    for first, second in zip(inputs(size), inputs(size), strict=True):
        assert (first == second).all()
    found = {side: measure(config, size) for side, config in SIDES.items()}
    assert all(len(one["seconds"]) == 2 and one["peak_bytes"] >= 0 for one in found.values())
    assert len({round(one["loss"], 6) for one in found.values()}) == len(SIDES)
    assert SIDES["SupCon"] is SUP_CON


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rounds", "0"), "--rounds: found 0, wanted at least 1"),
        (("--size", "aus=0"), "wanted all but seed at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, message):
    with pytest.raises((ValueError, ConfigError), match=message):
        main([*words])


@pytest.mark.full
def test_the_command_makes_a_dated_table(tmp_path):
    main(["--out", str(tmp_path), "--rounds", "1", "--size", "images=128", "aus=4", "repeats=2"])
    [path] = tmp_path.glob("contrast-*.json")
    content = json.loads(path.read_text())
    assert set(content["rounds"][0]) == set(SIDES)
    assert "x the memory" in path.with_suffix(".md").read_text()
