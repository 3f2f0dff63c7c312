"""What a run is: what of its config matters for the result, and the data, kept in the run's folder.

    <run>/identity.json     {"digest": ..., "config": ..., "order": ...}, put where none is

Not part of it are the cluster, the engine, how data is read and where metrics go: a run may go on with other
ones. It is written before anything else of the run, so that another run at the same place is refused before
any process starts, also where no checkpoint is committed yet.
"""

import hashlib
import json
from typing import Any

from pretrain.checkpoint_reader import newest_facts
from pretrain.config import to_dict
from pretrain.data import open_sets
from pretrain.recipe import (
    PretrainConfig,
    decisive,
    differences,
    plan_of,
    refuse_differing,
    refuse_other_run,
)
from shards import storage
from shards.errors import NotFoundError

IDENTITY_FILE = "identity.json"


def settle_identity(config: PretrainConfig) -> str:
    """Digest of the run at `config.run.url`, which is this one or becomes it.

    Raises:
        ManifestMismatchError: the run there has another order of data.
        ConfigError: the run there has other settings.
        ShardError: the set cannot be read.
    """
    stored = read_identity(config.run.url)
    before = stored or newest_facts(config.run.url)
    # A run that goes on leaves out whom it left out at its start.
    plan = plan_of(config, open_sets(config.data, None if before is None else before["order"]))
    if before is not None:
        refuse_other_run(before, config, plan)
    if stored is not None:
        return str(stored["digest"])
    order = plan.describe()
    content = {"digest": digest([decisive(config), order]), "config": to_dict(config), "order": order}
    if not storage.write_if_absent(_place(config.run.url), json.dumps(content, indent=1).encode()):
        return settle_identity(config)  # another one was faster
    return str(content["digest"])


def settle_content(url: str, key: str, content: dict[str, Any]) -> str:
    """Digest of the job at `url`, which is this one or becomes it; `content` is all that decides its result.

    Raises:
        ConfigError: the job there has another content; `key` names the setting that gives the place.
    """
    found, stored = json.loads(json.dumps(content)), read_identity(url)
    if stored is None:
        stored = {"digest": digest(found), "content": found}
        if not storage.write_if_absent(_place(url), json.dumps(stored, indent=1).encode()):
            return settle_content(url, key, content)  # another one was faster
    differing = [
        difference
        for name in sorted({*stored["content"], *found})
        for difference in differences(name, stored["content"].get(name), found.get(name))
    ]
    refuse_differing(url, key, differing)
    return str(stored["digest"])


def read_identity(run_url: str) -> dict[str, Any] | None:
    """What the run at `run_url` is; None where there is none."""
    try:
        found: dict[str, Any] = json.loads(storage.read_bytes(_place(run_url)))
    except NotFoundError:
        return None
    return found


def digest(content: Any) -> str:
    """sha256 of plain containers, however they are ordered."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _place(run_url: str) -> str:
    return storage.join(run_url, IDENTITY_FILE)
