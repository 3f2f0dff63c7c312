"""What a model must show before an alias is moved to it: each compares what is found with what is wanted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.arms import HEADLINES, LOWER_IS_BETTER, labels_of
from finetune.artifact import load_model
from finetune.audit import FRAMES, open_encoder
from finetune.audits.identity import audit_identity
from finetune.audits.leakage import audit_leakage
from finetune.initial import RANDOM, WEIGHTS
from finetune.rescore import count, score_again, unequal
from finetune.results import SCORES, load_sums
from finetune.scored import difference, score_jobs
from pretrain.config import MISSING, ConfigError
from shards.errors import ShardError
from shards.tracks import load_tracks

MOST_NAMED = 3
"""Of the numbers that differ."""


@dataclass(frozen=True)
class GatesConfig:
    """What is asked of a model; there is no default for what only its user can know."""

    limit: float = MISSING
    """Worst value of the score that is taken: the least, or of an error (mae, mse) the greatest."""
    most_identity: float = MISSING
    """Greatest share of frames whose person a linear classifier tells from the features."""
    score: str = ""
    """Mean over AUs or expressions on the tested people; the kind's first if empty."""
    margin: float = 0.0
    """By which the score may be worse than that of the model that has the alias."""
    compare: bool = True
    """False: the model that has the alias was tested on other people, and is not compared with."""
    identity_set: str = ""
    """Shard set with several videos of a person; the pretraining set, else the labelled one, if empty."""
    identity_frames: int = FRAMES
    pretrain_sets: list[str] = field(default_factory=list)
    """Sets that the encoder was pretrained on; those that it names itself if empty."""

    def __post_init__(self) -> None:
        if self.margin < 0 or self.identity_frames < 1:
            raise ValueError(f"gates need margin >= 0 and identity_frames >= 1, found {self}")


@dataclass(frozen=True)
class Gate:
    """One answer."""

    name: str
    passed: bool
    found: str
    wanted: str

    @property
    def text(self) -> str:
        """For the version's tag and description."""
        return f"{'ok' if self.passed else 'refused'}: found {self.found}; wanted {self.wanted}"

    @property
    def line(self) -> str:
        """For the terminal."""
        word = "ok" if self.passed else "refused"
        return f"{word:<8} {self.name}: found {self.found}; wanted {self.wanted}"


Result = Mapping[str, Any]


def ask_gates(folder: Path, result: Result, champion: Result | None, config: GatesConfig) -> list[Gate]:
    """All gates, in the order of their cost; one that cannot be asked is refused with the reason.

    Args:
        folder: the model as the registry gives it.
        result: what its job wrote.
        champion: what the job of the model wrote that has the alias now; None where there is none.
        config: what is wanted.

    Raises:
        ConfigError: the model's kind has no such score.
    """
    score = config.score or HEADLINES[result["kind"]][0]
    if score not in SCORES[result["kind"]]:
        raise ConfigError(f"score={score!r}: {result['kind']} has {list(SCORES[result['kind']])}")
    return [
        _held_out(result, score, config),
        _asked("champion", lambda: _champion(result, champion, score, config)),
        _asked("leakage", lambda: _leakage(result, config)),
        _asked("identity", lambda: _identity(folder, result, config)),
        _asked("export", lambda: _export(folder, result)),
    ]


def _asked(name: str, ask: Callable[[], Gate]) -> Gate:
    try:
        return ask()
    except (ConfigError, ShardError) as error:
        return Gate(name, False, f"no answer ({error})", "an answer")


def _held_out(result: Result, score: str, config: GatesConfig) -> Gate:
    value = result["test"]["honest"][score]["mean"]
    is_error = score in LOWER_IS_BETTER
    wanted = f"{score} at {'most' if is_error else 'least'} {config.limit:g}"
    if value is None:
        return Gate("held_out", False, f"no {score}: nobody tested shows what it needs", wanted)
    passed = value <= config.limit if is_error else value >= config.limit
    people = len(result["people"]["test"])
    return Gate("held_out", passed, f"{score} {value:.4f} on {people} never seen", wanted)


def _champion(result: Result, champion: Result | None, score: str, config: GatesConfig) -> Gate:
    if not config.compare:
        return Gate("champion", True, "compare=false", "no comparison")
    if champion is None:
        return Gate("champion", True, "no model with the alias", f"at most {config.margin:g} worse than it")
    if differing := _not_comparable(result, champion):
        raise ConfigError(
            f"the model with the alias was tested otherwise: {differing}; score both on one fold, or give "
            "compare=false"
        )
    mine, theirs = (
        score_jobs(SCORES[result["kind"]][score], [load_sums(one["per_person"])])
        for one in (result, champion)
    )
    gained, interval = difference(mine, theirs)
    loss = gained if score in LOWER_IS_BETTER else -gained
    return Gate(
        "champion",
        loss <= config.margin,
        f"{score} {mine.mean:.4f} against {theirs.mean:.4f}, {gained:+.4f} "
        f"[{interval.low:+.4f}, {interval.high:+.4f}]",
        f"at most {config.margin:g} worse",
    )


def _not_comparable(result: Result, other: Result) -> str:
    facts: dict[str, Callable[[Result], Any]] = {
        "kind of labels": lambda one: one["kind"],
        "AUs or expressions": labels_of,
        "tested set": lambda one: one["data"].get("test_digest", one["data"]["digest"])[:12],
        "tested people": lambda one: sorted(one["people"]["test"]),
    }
    differing = [
        f"{name} {fact(other)} and {fact(result)}"
        for name, fact in facts.items()
        if fact(other) != fact(result)
    ]
    return "; ".join(differing)


def _leakage(result: Result, config: GatesConfig) -> Gate:
    wanted = "no tested person in a pretraining set"
    if result["init"]["init"] == RANDOM:
        return Gate("leakage", True, "random first weights, no pretraining", wanted)
    tested = result["data"].get("test_url") or result["data"]["url"]
    audits = [audit_leakage(url, tested, result["people"]["test"]) for url in _pretrain_sets(result, config)]
    failed = [audit for audit in audits if audit.failed]
    found = "; ".join(audit.verdict.rstrip(".") for audit in failed or audits)
    return Gate(
        "leakage", not failed, f"{found} ({len(audits)} pretraining set{'s' * (len(audits) > 1)})", wanted
    )


def _pretrain_sets(result: Result, config: GatesConfig) -> Sequence[str]:
    """Urls.

    Raises:
        ConfigError: nobody knows them, or another set stands there by now.
    """
    if config.pretrain_sets:
        return config.pretrain_sets
    init = result["init"]
    if init["init"] == WEIGHTS:
        raise ConfigError(
            f"weights of others ({init['source']}) do not say what they have seen; give pretrain_sets=[URL]"
        )
    data = init["config"]["data"]
    found = load_tracks(data["url"]).manifest.digest
    if found != init["trained_on"]:
        raise ConfigError(
            f"{data['url']} has digest {found[:12]}, the encoder was trained on {init['trained_on'][:12]}; "
            "put the set back, or give pretrain_sets=[URL]"
        )
    return [data["url"], *(other["url"] for other in data["also"])]


def _identity(folder: Path, result: Result, config: GatesConfig) -> Gate:
    pretrained = result["init"].get("config", {}).get("data", {}).get("url")
    url = config.identity_set or pretrained or result["data"]["url"]
    tracks = load_tracks(url)
    audit = audit_identity(tracks, {"model": open_encoder(str(folder), tracks)}, config.identity_frames)
    share, chance = audit.numbers
    return Gate(
        "identity",
        share.value <= config.most_identity,
        f"the person told in {share.text} of the frames of {url}, chance {chance.text}",
        f"at most {config.most_identity:g}",
    )


def _export(folder: Path, result: Result) -> Gate:
    written = result["test"]["honest"]
    lines = list(unequal(written, score_again(load_model(folder), result)))
    total = count(written)
    more = f"; {'; '.join(lines[:MOST_NAMED])}" if lines else ""
    return Gate(
        "export",
        not lines,
        f"{total - len(lines)} of {total} numbers of the run equal{more}",
        "all equal, digit by digit, from the registered files",
    )
