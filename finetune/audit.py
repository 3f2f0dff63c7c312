"""`python -m finetune.audit KIND ...`: one question to data, features or finished jobs."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from finetune.arms import HEADLINES, only_arm
from finetune.artifact import FACTS_NAME, load_model
from finetune.audits.fairness import audit_fairness, read_attributes
from finetune.audits.identity import audit_identity
from finetune.audits.label_noise import audit_label_noise
from finetune.audits.leakage import audit_leakage
from finetune.audits.neutral import audit_neutral
from finetune.audits.result import Audit
from finetune.initial import initial_encoder
from finetune.jobs import load_jobs
from finetune.labelled import read_presence
from pretrain.config import ConfigError, run_command
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.sampled import encode_with
from shards.near_duplicates import MOST_DIFFERENCE
from shards.tracks import TrackSet, load_tracks

FRAMES = 2000
"""Encoded by default: seconds on a CPU with a small network."""
WEIGHTS_SEED = 0
"""Of `random` encoders."""


def open_encoder(url: str, tracks: TrackSet) -> FrameEncoder:
    """An exported encoder, that of a finetuned model's folder, or `random` weights of the default network.

    Raises:
        ConfigError: there is none, or it has seen faces cropped in another way than the set's.
    """
    digest = tracks.manifest.recipe_digest
    if (Path(url) / FACTS_NAME).is_file():
        saved = load_model(Path(url))
        if saved.recipe.digest != digest:
            raise ConfigError(
                f"the model at {url} was trained on crops of recipe {saved.recipe.digest[:12]}, {tracks.url} "
                f"has {digest[:12]}; give a set packed with the same recipe"
            )
        return saved.model.encoder
    torch.manual_seed(WEIGHTS_SEED)
    return initial_encoder(url, EncoderConfig(), digest)[0].eval()


def _identity(given: argparse.Namespace) -> Audit:
    tracks = load_tracks(given.set)
    encoders = {url: open_encoder(url, tracks) for url in given.encoder}
    return audit_identity(tracks, encoders, given.frames)


def _leakage(given: argparse.Namespace) -> Audit:
    ((_, result),) = load_jobs([given.job])
    data = result["config"]["data"]
    tested = given.tested or data.get("test_url") or data["url"]
    return audit_leakage(given.pretrain, tested, result["people"]["test"], given.most_difference)


def _label_noise(given: argparse.Namespace) -> Audit:
    ((_, result),) = load_jobs([given.job])
    tracks = load_tracks(given.set or result["config"]["data"]["url"])
    people = [*result["people"]["train"], *result["people"]["validation"]]
    frames = read_presence(tracks, people, result["protocol"]["name"], given.frames)
    feature_FD = encode_with(open_encoder(given.encoder, tracks), frames.frames)
    return audit_label_noise(frames, feature_FD, given.plant, given.seed)


def _fairness(given: argparse.Namespace) -> Audit:
    arm = only_arm([result for _, result in load_jobs(given.jobs)])
    attributes = {} if given.people is None else read_attributes(given.people)
    return audit_fairness(arm, given.score or HEADLINES[arm.kind][0], attributes)


def _neutral(given: argparse.Namespace) -> Audit:
    return audit_neutral(load_jobs(given.jobs), given.neutral, given.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.audit",
        description="Audit data, features or finished jobs. Ends with status 1 where something was found "
        "that must not be.",
        epilog="example: python -m finetune.audit leakage --pretrain s3://bucket/faces --job runs/aunce",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    def kind(name: str, said: str, run: Callable[[argparse.Namespace], Audit]) -> argparse.ArgumentParser:
        added = kinds.add_parser(name, help=said, description=said)
        added.set_defaults(run=run)
        added.add_argument(
            "--json", type=Path, metavar="FILE", help="to write, for `finetune.report --audits`"
        )
        return added

    identity = kind("identity", "how well features tell who it is", _identity)
    identity.add_argument("set", metavar="URL", help="shard set, with several videos of a person")
    identity.add_argument(
        *("--encoder", "-e"),
        nargs="+",
        required=True,
        metavar="URL",
        help="exported encoders, models or random",
    )
    identity.add_argument("--frames", type=int, default=FRAMES, help="to encode")
    leakage = kind("leakage", "whether pretraining has seen the tested people", _leakage)
    leakage.add_argument("--pretrain", required=True, metavar="URL", help="shard set of the pretraining")
    leakage.add_argument("--job", type=Path, required=True, metavar="RUN", help="finished job: who is tested")
    leakage.add_argument("--tested", default="", metavar="URL", help="the tested people's set (the job's)")
    leakage.add_argument(
        "--most-difference", type=float, default=MOST_DIFFERENCE, help="share of bits; see shards duplicates"
    )
    noise = kind(
        "label_noise", "which training labels look wrong; or how many planted flips show", _label_noise
    )
    noise.add_argument(
        "--job", type=Path, required=True, metavar="RUN", help="finished job: who trains, on what"
    )
    noise.add_argument("--set", default="", metavar="URL", help="the training people's set (the job's)")
    noise.add_argument("--encoder", required=True, metavar="URL", help="exported encoder, model or random")
    noise.add_argument("--plant", type=float, default=0.0, metavar="SHARE", help="of the labels, to flip")
    noise.add_argument("--seed", type=int, default=0, help="of flips and folds")
    noise.add_argument("--frames", type=int, default=FRAMES, help="to encode")
    fairness = kind("fairness", "scores by person and by attribute of people", _fairness)
    fairness.add_argument("jobs", type=Path, nargs="+", metavar="RUN", help="finished jobs of one arm")
    fairness.add_argument("--people", type=Path, metavar="CSV", help="person,attribute,...")
    fairness.add_argument("--score", default="", help="f1, icc, ... (the kind's first)")
    neutral = kind("neutral", "scores with and without calibration on neutral frames", _neutral)
    neutral.add_argument("jobs", type=Path, nargs="+", metavar="RUN", help="finished jobs of one arm")
    neutral.add_argument(
        "--neutral", choices=("first", "labelled"), default="first", help="which frames are neutral"
    )
    neutral.add_argument("--seconds", type=float, default=1.0, help="of each track, for --neutral first")
    return parser


def main(arguments: list[str]) -> None:
    given = _parser().parse_args(arguments)
    audit: Audit = given.run(given)
    if given.json is not None:
        content: dict[str, Any] = audit.json()
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    sys.stdout.write(audit.text + "\n")
    if audit.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
