"""A finished job's model scored on any labelled set: its own fold again, or people it has never met.

Thresholds are the model's own. Where set and people are those that the job was scored on, every number is
compared with the one that the job wrote.

Axes: A AUs or label columns, F frames.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from finetune.artifact import SavedModel, value_names
from finetune.data import DataConfig, Group, open_everyone, open_fold
from finetune.protocols.registry import ProtocolConfig
from finetune.rescore import as_written, count, unequal
from finetune.results import SCORES, dump_sums, summary
from finetune.scored import Sums, score_jobs, sums_of
from pretrain.config import ConfigError

FORMAT = 1
People = Literal["tested", "all"]


def evaluate(
    saved: SavedModel, result: Mapping[str, Any], data: DataConfig, protocol: ProtocolConfig, people: People
) -> dict[str, Any]:
    """Scores with intervals over people, sums per person, and how they compare with the job's own.

    Args:
        saved: the model.
        result: what its job wrote.
        data: the set to score on.
        protocol: which labels of it, and who is tested.
        people: the tested people of the protocol's fold, or everyone labelled.

    Raises:
        ConfigError: model and set do not fit, or somebody scored has trained the model.
        ShardError: the set cannot be read.
    """
    group = _group(saved, data, protocol, people, int(result["seed"]))
    manifest = group.tracks.manifest
    if saved.recipe.digest != manifest.recipe_digest:
        raise ConfigError(
            f"{group.tracks.url} has crops of recipe {manifest.recipe_digest[:12]}, the model was trained on "
            f"{saved.recipe.digest[:12]}; pack the set with the model's recipe"
        )
    names = [
        name for name in value_names(saved.facts) if name in (group.target.expressions or group.target.aus)
    ]
    left_out = [name for name in value_names(saved.facts) if name not in names]
    if not names or (saved.kind == "expression" and left_out):
        raise ConfigError(
            f"the model tells {value_names(saved.facts)}, {group.tracks.url} has labels of "
            f"{list(group.target.names)}; give a set and a protocol of the same"
        )
    found = sorted({group.tracks.identities[row] for row in group.rows})
    _refuse_trained(result, manifest.layout, found)
    sums = _sums(saved, group, names)
    scores = as_written(summary(sums, names))
    return {
        "evaluation_format": FORMAT,
        "kind": saved.kind,
        "aus_or_expressions": names,
        "left_out": left_out,
        "data": {"url": group.tracks.url, "digest": manifest.digest, "layout": manifest.layout},
        "generated": data.generated,
        "protocol": {"name": protocol.name, "fold": protocol.fold, "people": people},
        "people": found,
        "scores": scores,
        "intervals": _intervals(sums),
        "per_person": dump_sums(sums),
        "as_the_job": _compared(result, manifest.digest, found, scores),
    }


def _group(saved: SavedModel, data: DataConfig, protocol: ProtocolConfig, people: People, seed: int) -> Group:
    kind = saved.facts["kind"]
    if people == "all":
        return open_everyone(data, protocol, kind)
    return open_fold(data, protocol, kind, seed).test


def _refuse_trained(result: Mapping[str, Any], layout: str, people: list[str]) -> None:
    """People of one layout have one name in all its sets."""
    trained = {*result["people"]["train"], *result["people"]["validation"]}
    if layout == result["data"]["layout"] and (known := sorted(trained & set(people))):
        raise ConfigError(
            f"{len(known)} of the {len(people)} people trained this model or chose it, as {known[:5]}; "
            "a score needs people never seen: give people=tested with the job's protocol, or another set"
        )


def _sums(saved: SavedModel, group: Group, names: list[Any]) -> Sums:
    table = group.run(saved.model.infer, saved.model.encoder.config.image_size)
    if saved.kind == "expression":
        order = [saved.names.index(name) for name in group.target.expressions]
        return sums_of("expression", table.value_F[:, order], table.label_FA, table.person_F)
    mine = [saved.names.index(name) for name in names]
    theirs = [group.target.aus.index(name) for name in names]
    thresholds = saved.facts["thresholds"]
    threshold_A = None if thresholds is None else np.array(thresholds)[mine]
    kind = group.target.kind
    return sums_of(kind, table.value_F[:, mine], table.label_FA[:, theirs], table.person_F, threshold_A)


def _intervals(sums: Sums) -> dict[str, list[float | None]]:
    """95 %, of each score's mean; null where it is not defined."""
    content = dump_sums(sums)
    found = {}
    for name, score in SCORES[content["kind"]].items():
        interval = score_jobs(score, [sums]).mean_interval
        found[name] = [None if bound != bound else bound for bound in interval]
    return found


def _compared(
    result: Mapping[str, Any], digest: str, people: list[str], scores: Mapping[str, Any]
) -> dict[str, Any] | None:
    """None where the job was scored on something else."""
    written = result["test"]["honest"]
    tested = result["data"].get("test_digest", result["data"]["digest"]), sorted(result["people"]["test"])
    if tested != (digest, people):
        return None
    return {"numbers": count(written), "differing": list(unequal(written, scores))}
