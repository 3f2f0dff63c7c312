"""What a stream's time goes into, in one line."""

from collections.abc import Mapping

ENOUGH = 0.05
"""Share of the time that a training loop may wait for data and not be held up by it."""
STAGES = ("plan", "fetch", "decode")


def verdict(metrics: Mapping[str, float]) -> str:
    """`loader-bound: decode (waits 43 %; plan 2 %, fetch 12 %, decode 97 % busy)`, or compute-bound.

    Args:
        metrics: `data/wait_share`, and `data/<stage>_busy` of each stage: shares of the time of a rank, and
            of its stage's threads.
    """
    waits = metrics["data/wait_share"]
    busy = {stage: metrics[f"data/{stage}_busy"] for stage in STAGES}
    details = ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in busy.items())
    bound = "compute-bound" if waits < ENOUGH else f"loader-bound: {max(busy, key=lambda stage: busy[stage])}"
    return f"{bound} (waits {100 * waits:.0f} %; {details} busy)"
