"""The dated result file of packing: JSON with every number, and Markdown to read."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from tests.benchmarks import record
from tests.benchmarks.packing.memory import Peak
from tests.benchmarks.packing.rates import DECODE, FFMPEG, PACK, PACK_TWO, Round, Run
from tests.benchmarks.packing.tracking import Tracking

CLOCKS = ("cpu", "wall")
RATES_HEAD = (
    *("", "CPU ms per frame", "frames/s", "of decode alone, CPU", "wall"),
    *("of ffmpeg per clip, CPU", "wall"),
)
RATES_CAPTION = (
    "Medians over rounds; ratios are of frames per second, within a round. A command's time holds its start "
    "(interpreter, imports, detector), unless the row says that it is taken off on both sides. `ffmpeg per "
    "clip` crops, scales and encodes x264 (medium, crf 23) without looking for faces, a process per clip on "
    "one thread."
)
STAGES_CAPTION = "CPU time of the worker by stage, mean over rounds; not in a stage: start, spool, shards."
MEMORY_CAPTION = "Peak resident memory while one video is packed."
TRACKING_CAPTION = (
    "Faces found by detection in every frame: the share that detection every {every}th frame finds, and how "
    "far its landmarks are away in the frames between, in % of the eye distance. Jitter: how far detection "
    "itself moves when the picture moves by one pixel."
)


@dataclass
class Report:
    """What was measured; parts that were not are left out."""

    facts: dict[str, str]
    detect_every: int
    rounds: list[Round] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    tracking: dict[str, Tracking] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write `packing-<date>.json` and `.md` into `out`, and show the tables."""
        content = {
            **self.facts,
            "notes": self.notes,
            "rounds": [{name: asdict(run) for name, run in one.items()} for one in self.rounds],
            "ratios": ratios(self.rounds) if self.rounds else {},
            "peaks": [asdict(peak) for peak in self.peaks],
            "tracking": {name: summary(tracking) for name, tracking in self.tracking.items()},
        }
        record.write_result(out, "packing", content, self.text())

    def text(self) -> str:
        """The Markdown."""
        facts = self.facts
        parts = [
            f"# Packing, {facts['date']}",
            f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
            *self.notes,
        ]
        if self.rounds:
            parts += [RATES_CAPTION, record.markdown(RATES_HEAD, _rates(self.rounds)), _faster(self.rounds)]
            parts += [STAGES_CAPTION, record.markdown(("stage", "CPU ms per frame"), _stages(self.rounds))]
        if self.peaks:
            parts += [MEMORY_CAPTION, record.markdown(("video", "worker", "leader"), _memory(self.peaks))]
        if self.tracking:
            head = ("videos", "faces", "recall", "away, median", "95 %", "jitter, median", "95 %")
            rows = [_row(name, tracking) for name, tracking in self.tracking.items()]
            parts += [TRACKING_CAPTION.format(every=self.detect_every), record.markdown(head, rows)]
        return "\n\n".join(parts) + "\n"


def ratios(rounds: list[Round]) -> dict[str, float]:
    """Median over rounds of the speed against another contender, by every clock, with and without starts."""
    return {
        f"{name} / {base}, {clock}{', without starts' if steady else ''}": round(
            _speed(rounds, name, base, clock, steady), 4
        )
        for name in (PACK, PACK_TWO)
        for base in (DECODE, PACK, FFMPEG)
        if name != base and base in rounds[0]
        for clock in CLOCKS
        for steady in (False, True)
    }


def _speed(rounds: list[Round], name: str, base: str, clock: str, steady: bool) -> float:
    # All see the same frames; those of a round run minutes apart and share the machine's mood.
    return median(_seconds(one[base], clock, steady) / _seconds(one[name], clock, steady) for one in rounds)


def _seconds(run: Run, clock: str, steady: bool) -> float:
    seconds: float = getattr(run.steady if steady else run.cost, f"{clock}_seconds")
    return seconds


def _rates(rounds: list[Round]) -> list[list[str]]:
    rows = []
    for name in rounds[0]:
        for steady in (False, True):
            if steady and name == FFMPEG:
                continue
            frames = rounds[0][name].did.frames
            cpu, wall = (median(_seconds(one[name], clock, steady) for one in rounds) for clock in CLOCKS)
            against = [
                f"{_speed(rounds, name, base, clock, steady):.2f}" if base in rounds[0] else ""
                for base in (DECODE, FFMPEG)
                for clock in CLOCKS
            ]
            title = f"{name}, without starts" if steady else name
            rows.append([title, f"{1000 * cpu / frames:.2f}", f"{frames / wall:.0f}", *against])
    return rows


def _faster(rounds: list[Round]) -> str:
    one, without = (_speed(rounds, PACK_TWO, PACK, "wall", steady) for steady in (False, True))
    did = rounds[0][PACK].did
    return (
        f"Two processes are {one:.2f} times as fast as one by the clock, {without:.2f} times without starts. "
        f"Crops stored: {did.faces} of {did.frames} frames."
    )


def _stages(rounds: list[Round]) -> list[list[str]]:
    done = [one[PACK].did for one in rounds]
    frames = sum(did.frames for did in done)
    seconds = {stage: sum(did.stage_seconds[stage] for did in done) for stage in done[0].stage_seconds}
    rows = sorted(seconds.items(), key=lambda item: -item[1])
    return [[stage, f"{1000 * spent / frames:.3f}"] for stage, spent in rows]


def _memory(peaks: list[Peak]) -> list[list[str]]:
    rows = [
        [f"{peak.minutes:g} min, {peak.frames} frames", _mib(peak.worker_bytes), _mib(peak.leader_bytes)]
        for peak in peaks
    ]
    first, last = peaks[0], peaks[-1]
    grown = (last.worker_bytes / first.worker_bytes, last.leader_bytes / first.leader_bytes)
    return [*rows, ["growth", *(f"{100 * (share - 1):+.1f} %" for share in grown)]]


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def summary(tracking: Tracking) -> dict[str, float]:
    """Recall, and median and 95th percentile of both kinds of distances; nothing of what was not there."""
    found: dict[str, float] = {"faces": tracking.faces}
    if tracking.faces:
        found["recall"] = tracking.found / tracking.faces
    for name, distances in (("away", tracking.followed_N), ("jitter", tracking.jitter_N)):
        if distances:
            middle, high = np.percentile(distances, (50, 95))
            found |= {f"{name}_median": float(middle), f"{name}_95": float(high)}
    return found


def _row(name: str, tracking: Tracking) -> list[str]:
    found = summary(tracking)
    recall = f"{found['recall']:.3f}" if "recall" in found else ""
    keys = [f"{kind}_{which}" for kind in ("away", "jitter") for which in ("median", "95")]
    return [
        *(name, str(tracking.faces), recall),
        *(f"{100 * found[key]:.1f} %" if key in found else "" for key in keys),
    ]
