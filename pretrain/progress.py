"""One line per log interval: where a run stands, how fast it is and when it will end; one per probe."""

import sys
import time
from collections.abc import Mapping

from shards.verdict import verdict


class ProgressLine:
    """Prints on rank 0; the rate is that of the steps since this process began."""

    def __init__(self, steps: int, first_step: int, clips_per_step: int, enabled: bool) -> None:
        self.steps, self.first_step, self.clips_per_step, self.enabled = (
            steps,
            first_step,
            clips_per_step,
            enabled,
        )
        self._started = time.monotonic()

    def begin(self, attempt: int) -> None:
        """Everything that is restored is, and the first step comes."""
        if self.enabled:
            sys.stderr.write(f"attempt {attempt} goes on from step {self.first_step}/{self.steps}\n")
            sys.stderr.flush()

    def show(self, step: int, metrics: Mapping[str, float]) -> None:
        """`step` steps are done."""
        if not self.enabled:
            return
        seconds = (time.monotonic() - self._started) / max(1, step - self.first_step)
        left = seconds * (self.steps - step)
        values = "  ".join(
            f"{name.rpartition('/')[2]} {metrics[name]:.3f}" for name in metrics if "loss" in name
        )
        sys.stderr.write(
            f"step {step}/{self.steps}  {values}  {self.clips_per_step / seconds:.0f} clips/s  "
            f"{int(left // 60)}:{int(left % 60):02d} left  {verdict(metrics)}\n"
        )
        sys.stderr.flush()

    def show_probe(self, step: int, values: Mapping[str, float]) -> None:
        """New values of the probe, measured after `step` steps."""
        if not self.enabled:
            return
        told = "  ".join(f"{name.rpartition('/')[2]} {value:.3f}" for name, value in values.items())
        sys.stderr.write(f"step {step}/{self.steps}  probe: {told}\n")
        sys.stderr.flush()
