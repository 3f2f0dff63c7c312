"""`python -m tests.benchmarks.inference`: how fast a saved model reads a video, in how much memory.

It makes its own video below the work folder; the model has random weights.
"""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from finetune.artifact import save_model
from finetune.models.intensity_regressor import IntensityRegressor
from infra.stages import open_folder, say
from pretrain.config import Request, load, to_dict
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from shards.pack.faces.plugins import get_detector
from shards.pack.job import PackConfig, recipe_of
from tests.benchmarks import record
from tests.benchmarks.packing.films import FRONTAL, Film, make_film, repeat
from tests.benchmarks.streaming.contest import run

SIDES = "tests.benchmarks.inference.sides"
AUS = [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26]
STAGES = ("decode", "detect", "model")
CAPTION = (
    "Prediction of the intensity of 12 AUs in a 720p H.264 video at 25 frames/s with one generated face: "
    "frame encoder, causal GRU and head, random weights, without its start; torch and OpenCV on one thread. "
    "The parts are decoding, the detector on every {every}th frame and the model on as many crops, each run "
    "alone on the same video; following faces, cropping and coding crops as shards store them are not among "
    "them. Prediction finds faces in a thread beside the model's. Medians over rounds, the range after them."
)
BARS = (
    "Bars: at least .9 of the parts' speed, found {wall:.2f} by wall and {ratio:.2f} by CPU{slow}; memory "
    "flat from {first:g} to {last:g} minutes, found {grown:+.1f} MB{large}."
)
FLAT_MB = 8.0
"""Growth that still counts as none: what an allocator keeps differs by as much between two equal runs."""


@dataclass(frozen=True)
class Size:
    """How much is predicted.

    Attributes:
        seconds: of the video that is timed.
        minutes: of the videos whose peaks of memory are compared.
        encoder: the model's.
        hidden: features of its GRU.
        crop: pixels of the face crops.
        seed: of the video.
    """

    seconds: float = 40.0
    minutes: tuple[float, float] = (1.0, 20.0)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name="vit-tiny", image_size=112))
    hidden: int = 256
    crop: int = 112
    seed: int = 0


def main(arguments: list[str]) -> None:
    parser = record.parser("inference", __doc__, rounds=3, sizes="seconds, minutes, encoder.name")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    work: Path = given.work.absolute()
    open_folder(work, False, to_dict(size))
    film = Film(FRONTAL, 0, min(20.0, size.seconds), size.seed)
    clip = work / film.name
    if not clip.exists():
        make_film(film, work)
    model, every = _model(work / "model", size)
    rounds = []
    video = repeat(clip, size.seconds, work / "timed.mp4")
    for number in range(given.rounds):
        say(f"round {number + 1} of {given.rounds}")
        rounds.append({side: _run(side, model, video, work) for side in ("alone", "predict")})
    peaks = []
    for minutes in size.minutes:
        say(f"memory of {minutes:g} min")
        peaks.append(_run("predict", model, repeat(clip, 60 * minutes, work / f"{minutes:g}.mp4"), work))
    command = f"python -m tests.benchmarks.inference --rounds {given.rounds}"
    command += f" --size {' '.join(given.size)}" if given.size else ""
    facts = record.facts(command)
    content = {**facts, "size": to_dict(size), "rounds": rounds, "peaks": peaks}
    record.write_result(given.out, "inference", content, text(facts, size, every, rounds, peaks))


def _model(folder: Path, size: Size) -> tuple[Path, int]:
    """A regressor with random weights, saved as a job saves its model; and how often it detects."""
    recipe = recipe_of(PackConfig("", url="", layout="", size=size.crop), get_detector("yunet"))
    heads: dict[str, Any] = {"num_aus": len(AUS), "hidden": size.hidden, "width": 64}
    facts = {
        **{"task": "intensity", "kind": "intensity", "aus": AUS, "names": [f"AU{au}" for au in AUS]},
        **{"heads": heads, "thresholds": None, "recipe": asdict(recipe)},
    }
    save_model(folder, IntensityRegressor(FrameEncoder(size.encoder), **heads), facts)
    return folder, recipe.detect_every


def _run(side: str, model: Path, video: Path, work: Path) -> dict[str, Any]:
    more = [work / "aus.csv"] if side == "predict" else []
    found: dict[str, Any] = run([sys.executable, "-m", SIDES, side, model, video, *more])
    return found


def ratios(rounds: list[dict[str, Any]], clock: str) -> list[float]:
    """The parts' seconds over prediction's, round by round."""
    return [
        sum(one["alone"]["seconds"][stage][clock] for stage in STAGES)
        / one["predict"]["seconds"]["predict"][clock]
        for one in rounds
    ]


def text(
    facts: dict[str, str],
    size: Size,
    every: int,
    rounds: list[dict[str, Any]],
    peaks: list[dict[str, Any]],
) -> str:
    """The Markdown."""
    rows = []
    for side, stage in (*(("alone", stage) for stage in STAGES), ("predict", "predict")):
        for clock in ("cpu", "wall"):
            values = [1e3 * one[side]["seconds"][stage][clock] / one[side]["frames"] for one in rounds]
            rows.append([f"{stage}, ms a frame, {clock}", *record.spread(values)])
    found = {clock: ratios(rounds, clock) for clock in ("cpu", "wall")}
    rows += [[f"parts / prediction, {clock}", *record.spread(values)] for clock, values in found.items()]
    for minutes, peak in zip(size.minutes, peaks, strict=True):
        cell = f"{peak['grown_bytes'] / 1e6:.1f}"
        name = f"memory above the loaded model, MB, {minutes:g} min, {peak['frames']} frames"
        rows.append([name, cell, ""])
    grown = (peaks[-1]["grown_bytes"] - peaks[0]["grown_bytes"]) / 1e6
    wall = median(found["wall"])
    bars = BARS.format(
        ratio=median(found["cpu"]),
        wall=wall,
        slow="" if wall >= 0.9 else ": missed",
        first=size.minutes[0],
        last=size.minutes[-1],
        grown=grown,
        large="" if grown <= FLAT_MB else ": missed",
    )
    parts = [
        f"# Prediction, {facts['date']}",
        f"`{facts['command']}`, commit {facts['commit']}, {facts['host']}.",
        CAPTION.format(every=every),
        record.markdown(["", "median", "range"], rows),
        bars,
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    record.run_command(main)
