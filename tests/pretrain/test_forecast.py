"""The arithmetic of large runs, and the configs that come with it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pretrain.config import ConfigError, Request, load
from pretrain.engine import EngineConfig
from pretrain.forecast import Expected, forecast
from pretrain.models.encoder import EncoderConfig
from pretrain.recipe import PretrainConfig, outlook
from pretrain.run import RunConfig
from shards.batch import ClipSpec

CONFIGS = sorted((Path(__file__).parents[2] / "pretrain/configs").glob("*.yaml"))
EXPECTED = Expected(4, 80.0, 50.0, 1_000_000, frame_kb=10.0, price_per_hour=2.0)
RUN = RunConfig("unused", steps=36_000, global_batch=400, save_every=720)
VIT = EncoderConfig(name="vit-base", image_size=224, precision="bfloat16")


def lines(**changes: Any) -> str:
    given: dict[str, Any] = {
        "expected": EXPECTED,
        "run": RUN,
        "encoder": VIT,
        "engine": EngineConfig(),
        "spec": ClipSpec(7, (0.2, 0.3), 3),
        "trained_frames": 7,
    }
    return "\n".join(forecast(**{**given, **changes}))


def test_the_numbers_are_those_of_a_calculation_by_hand() -> None:
    said = lines()
    assert "4 ranks x 100 clips of 10 frames; 36000 steps are 14.40 M clips, 14.4 epochs" in said
    assert "200 clips/s: 2.00 s per step, 20.0 h" in said
    assert "store: 41 MB/s and at most 2000 requests/s" in said  # 200 * 10 * .01 MB * 2.03
    assert "every 24 min" in said  # 720 * 2 s
    assert "price: 160 in all, 11.11 per epoch" in said
    # 86.4 M parameters of 4 + 4 + 12 / 4 + 4 (the momentum encoder) bytes; 700 frames of 34 * 768 * 12 * 197.
    assert "memory per rank: 1.2 GiB of state and about 40.2 GiB of activations (700 frames)" in said


def test_less_is_kept_when_it_is_computed_again() -> None:
    again = lines(engine=EngineConfig(activation_checkpointing=True))
    [found] = re.findall(r"about ([\d.]+) GiB of activations", again)
    assert float(found) == pytest.approx(40.2 * (2 * 12 + 34) / (34 * 12), abs=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": replace(RUN, global_batch=402)}, "does not divide by 4 ranks x 1 micro batches; use 404"),
        ({"run": replace(RUN, global_batch=1600)}, "run.global_batch to at most 780"),
        ({"expected": replace(EXPECTED, device_gib=2.0)}, "no ZeRO stage fits|do not fit 2"),
        ({"expected": replace(EXPECTED, device_gib=0.5)}, "no ZeRO stage fits.*use at least"),
        ({"expected": replace(EXPECTED, store_mb_per_second=10)}, "need 41 MB/s from the store, and 4 ranks"),
    ],
)
def test_what_cannot_be_is_refused_with_the_number_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lines(**changes)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_its_header_says_what_the_arithmetic_says(path: Path) -> None:
    config = load(PretrainConfig, Request((path,), ("data.url=set", "run.url=run"), False))
    said = outlook(config)
    header = " ".join(line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#"))
    assert str(path.relative_to(path.parents[2])) in header
    assert bool(said) == ("Estimates, not measured" in header)
    if said:
        [hours] = re.findall(r"measured: ([\d.]+) h", header)
        [computed] = re.findall(r"([\d.]+) h$", "\n".join(said), re.MULTILINE)
        assert float(hours) == pytest.approx(float(computed), rel=0.12)
