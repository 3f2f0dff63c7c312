"""`python -m finetune.registry promote`: moves an alias of a registered model, if every gate lets it pass.

What each gate found and wanted is kept as tags `gate.*` of the version and in its description.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.gates import Gate, GatesConfig, ask_gates
from finetune.registered import fetch_model, fetch_result, find_version
from pretrain.config import load, parse

GATES_HEADING = "\n## Gates\n"
TAG = "gate."


@dataclass(frozen=True)
class Promotion:
    """What became of a model that asked for an alias."""

    name: str
    version: str
    alias: str
    gates: list[Gate]
    """Empty where it has the alias already."""

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def text(self, dry_run: bool) -> str:
        """A line for each gate, and what was done."""
        place = f"models:/{self.name}@{self.alias}"
        if not self.gates:
            said = f"{place} is version {self.version} already"
        elif not self.passed:
            refused = ", ".join(gate.name for gate in self.gates if not gate.passed)
            said = f"{place} stays as it is: version {self.version} was refused by {refused}"
        elif dry_run:
            said = f"{place} would become version {self.version}; nothing was changed (--dry-run)"
        else:
            said = f"{place} is version {self.version}"
        return "\n".join([*(gate.line for gate in self.gates), said])


def promote(
    model: str, alias: str, config: GatesConfig, tracking_uri: str = "", dry_run: bool = False
) -> Promotion:
    """Ask all gates, keep the answers, and move `alias` to the model if each is passed.

    Args:
        model: `NAME@ALIAS` or `NAME/VERSION`.
        alias: to move.
        config: what is wanted.
        tracking_uri: MLflow server; MLflow's own default if empty.
        dry_run: change nothing.

    Raises:
        ConfigError: there is no such model, or its job's result is gone.
    """
    import mlflow
    from mlflow.tracking import MlflowClient

    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    client = MlflowClient()
    name, version = find_version(client, model)
    aliases = {key: str(value) for key, value in client.get_registered_model(name).aliases.items()}
    if aliases.get(alias) == version:
        return Promotion(name, version, alias, [])
    with tempfile.TemporaryDirectory(prefix="facscale-promote-") as temporary:
        folder = Path(temporary)
        result = fetch_result(client, name, version, folder)
        champion = None
        if alias in aliases and config.compare:
            champion = fetch_result(client, name, aliases[alias], folder)
        gates = ask_gates(fetch_model(name, version, folder), result, champion, config)
    promotion = Promotion(name, version, alias, gates)
    if not dry_run:
        _keep(client, promotion)
    return promotion


def _keep(client: Any, promotion: Promotion) -> None:
    name, version = promotion.name, promotion.version
    for gate in promotion.gates:
        client.set_model_version_tag(name, version, f"{TAG}{gate.name}", gate.text)
    card = (client.get_model_version(name, version).description or "").partition(GATES_HEADING)[0]
    client.update_model_version(name, version, description=card + _section(promotion.alias, promotion.gates))
    if promotion.passed:
        client.set_registered_model_alias(name, promotion.alias, version)


def _section(alias: str, gates: Sequence[Gate]) -> str:
    lines = [f"- {gate.name}: {gate.text}" for gate in gates]
    return "\n".join([GATES_HEADING, f"Asked for `@{alias}`:", "", *lines, ""])


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m finetune.registry promote",
        description="Move an alias to a registered model if its held-out score, leakage, identity and "
        "exported files are as wanted. Ends with status 1 where a gate refuses.",
        epilog="example: python -m finetune.registry promote au-detector@candidate --to champion limit=0.35 "
        "most_identity=0.3 margin=0.01 --dry-run",
    )
    parser.add_argument("model", help="NAME@ALIAS or NAME/VERSION")
    parser.add_argument("--to", required=True, metavar="ALIAS", help="alias to move, e.g. champion")
    parser.add_argument("--dry-run", action="store_true", help="ask the gates and change nothing")
    parser.add_argument("--tracking-uri", default="", help="MLflow server; default: MLFLOW_TRACKING_URI")
    parser.add_argument(
        "gates", nargs="*", metavar="FILE.yaml | key=value", help="what is wanted; see finetune/gates.py"
    )
    given = parser.parse_intermixed_args(arguments)
    config = load(GatesConfig, parse(given.gates, parser.format_help()))
    promotion = promote(given.model, given.to, config, given.tracking_uri, given.dry_run)
    sys.stdout.write(promotion.text(given.dry_run) + "\n")
    if not promotion.passed:
        raise SystemExit(1)
