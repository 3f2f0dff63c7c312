"""Which engine a config means: what is refused, and what `auto` chooses."""

import pytest

from pretrain.config import ConfigError, from_dict
from pretrain.engine import EngineConfig, resolve_stage
from pretrain.engines.plan import choose_stage, state_bytes


@pytest.mark.parametrize("stage", [4, -1, "three", True])
def test_other_stages_are_refused(stage):
    with pytest.raises(
        ValueError, match=rf"engine.zero_stage={stage} is not supported; use 0, 1, 2, 3 or auto"
    ):
        EngineConfig(zero_stage=stage)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "ddp", "zero_stage": 2},
            r"engine.kind=ddp shards and offloads nothing, found zero_stage=2",
        ),
        ({"kind": "ddp", "offload": "optimizer"}, r"shards and offloads nothing, .*offload=optimizer"),
        ({"zero_stage": 0, "offload": "optimizer"}, r"offload=optimizer needs zero_stage 1, 2, 3 or auto"),
        ({"zero_stage": 2, "offload": "all"}, r"offload=all needs zero_stage 3 or auto, found 2"),
        ({"accumulate": 0}, r"engine.accumulate must be at least 1, found 0"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EngineConfig(**settings)


def test_a_stage_is_read_from_yaml_as_number_or_auto():
    assert from_dict(EngineConfig, {"zero_stage": 3}).zero_stage == 3
    assert from_dict(EngineConfig, {}).zero_stage == "auto"


GIB = 2**30


@pytest.mark.parametrize(
    ("parameters", "ranks", "gib", "stage"),
    [(86_000_000, 8, 80, 1), (300_000_000, 8, 16, 1), (1_000_000_000, 8, 16, 2), (3_000_000_000, 8, 30, 3)],
)
def test_auto_takes_the_lowest_stage_that_fits_and_says_why(parameters, ranks, gib, stage):
    chosen, reason = choose_stage(parameters, ranks, gib * GIB)
    assert chosen == stage
    assert reason.startswith(
        f"zero_stage auto: {stage}, as {parameters / 1e6:.1f} M parameters on {ranks} ranks"
    )
    assert state_bytes(parameters, ranks, stage) <= gib * GIB / 2
    assert stage == 1 or state_bytes(parameters, ranks, stage - 1) > gib * GIB / 2


def test_bytes_of_state_by_hand():
    # weights 4, gradients 4, masters and moments 12
    assert [state_bytes(1000, 4, stage) for stage in range(4)] == [20_000, 11_000, 8_000, 5_000]
    assert state_bytes(1000, 4, 2, optimizer_offloaded=True) == 5_000


def test_what_fits_in_no_stage_is_refused_with_the_ranks_it_needs():
    with pytest.raises(ConfigError, match=r"no ZeRO stage fits: .*use at least 20 ranks, engine.offload=all"):
        choose_stage(10**9, 8, 2 * 10**9)
    choose_stage(10**9, 20, 2 * 10**9)


def test_offloading_all_means_stage_3():
    assert resolve_stage(EngineConfig(offload="all"), 10, 1, 2**30)[0] == 3
    assert resolve_stage(EngineConfig(zero_stage=2), 10, 1, 2**30)[0] == 2
    assert resolve_stage(EngineConfig(), 10, 1, 2**30)[0] == 1
