"""One line says what holds a run up."""

import pytest

from shards.verdict import verdict


def metrics(waits: float, plan: float, fetch: float, decode: float) -> dict[str, float]:
    busy = {"plan": plan, "fetch": fetch, "decode": decode}
    return {"data/wait_share": waits, **{f"data/{stage}_busy": share for stage, share in busy.items()}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (metrics(0.02, 0.9, 0.9, 0.9), "compute-bound (waits 2 %; plan 90 %, fetch 90 %, decode 90 % busy)"),
        (metrics(0.43, 0.02, 0.12, 0.97), "loader-bound: decode (waits 43 %; "),
        (metrics(0.2, 0.1, 0.6, 0.5), "loader-bound: fetch (waits 20 %; "),
        (metrics(0.5, 0.9, 0.6, 0.5), "loader-bound: plan (waits 50 %; "),
    ],
)
def test_the_busiest_stage_is_named_where_training_waits(found: dict[str, float], wanted: str) -> None:
    assert verdict(found).startswith(wanted)
