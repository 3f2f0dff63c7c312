"""`python -m finetune`: one finetuning job on this machine."""

import logging
import sys
import time

from pretrain.config import dump, load, parse, run_command
from pretrain.tracking import SpoolTracker

USAGE = """
python -m finetune FILE.yaml data.url=URL out=FOLDER [init=ENCODER] [key=value ...] [--print]

Train an AU model on a labelled shard set, score it on people it has never seen, and write both to FOLDER.
init is `random` or the url of an exported encoder. --print shows the resolved config and stops.

    python -m finetune finetune/configs/aunce_disfa.yaml data.url=s3://bucket/disfa \\
        init=s3://bucket/runs/a/encoder protocol.fold=3 out=runs/aunce-pretrained
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    from finetune.results import one_line
    from finetune.train import FinetuneConfig, run

    config = load(FinetuneConfig, request)
    if request.print_only:
        sys.stdout.write(dump(config))
        return
    tracker = SpoolTracker(config.out / "metrics.jsonl")
    result = run(config, _Shown(tracker))
    tracker.finish()
    sys.stdout.write(one_line(result) + "\n")


class _Shown:
    """Passes metrics on and shows a line every few seconds."""

    every_seconds = 5.0

    def __init__(self, tracker: SpoolTracker) -> None:
        self._tracker, self._started = tracker, time.monotonic()
        self._last = -self.every_seconds

    def __call__(self, metrics: dict[str, float], step: int) -> None:
        self._tracker.log(metrics, step)
        passed = time.monotonic() - self._started
        if passed - self._last >= self.every_seconds:
            self._last = passed
            values = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
            sys.stderr.write(f"step {step}  {values}  {passed:.0f} s\n")
            sys.stderr.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    run_command(main)
