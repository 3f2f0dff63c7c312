"""Custom resources against the operators' own definitions (CRDs), the CEL rules in them too.

The definitions are not kept here: they are those of the operator that a cluster has, or will have.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cel_expr_python import cel
from jsonschema import Draft202012Validator

from tests.infra.kubernetes.rendered import Manifest

Schema = dict[str, Any]
INT_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
TRANSITION = "oldSelf"


@dataclass(frozen=True)
class Report:
    """What was found, and which rules could not be judged and why."""

    problems: list[str]
    not_judged: list[str]


def read_crds(folder: Path) -> dict[tuple[str, str], Schema]:
    """Schemas by apiVersion and kind, of all served versions in the YAML files of a folder.

    Raises:
        ValueError: there is none.
    """
    found = {}
    for path in sorted(folder.rglob("*.y*ml")):
        for content in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            for crd in _crds(content):
                names, group = crd["spec"]["names"], crd["spec"]["group"]
                for version in crd["spec"]["versions"]:
                    schema = version["schema"]["openAPIV3Schema"]
                    found[f"{group}/{version['name']}", names["kind"]] = schema
    if not found:
        raise ValueError(f"no CustomResourceDefinition in the YAML files of {folder}")
    return found


def _crds(content: Any) -> Iterable[Any]:
    """`kubectl get crd -o yaml` gives a list."""
    items = (content or {}).get("items", [content])
    return [item for item in items if item and item.get("kind") == "CustomResourceDefinition"]


def strict(schema: Schema) -> Schema:
    """JSON Schema of a structural schema; a field that is not known is an error."""
    kept = {name: value for name, value in schema.items() if not name.startswith("x-kubernetes-")}
    kept = {name: value for name, value in kept.items() if name not in ("description", "format", "nullable")}
    if schema.get("x-kubernetes-int-or-string"):
        return {**kept, **INT_OR_STRING}
    if "properties" in schema:
        kept["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            kept["additionalProperties"] = False
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            kept[name] = strict(schema[name])
    return kept


def check(manifest: Manifest, crds: dict[tuple[str, str], Schema]) -> Report:
    """Judge one custom resource, as if it were made anew.

    Raises:
        KeyError: its kind is in none of the definitions.
    """
    schema = crds[manifest["apiVersion"], manifest["kind"]]
    # The API server judges metadata itself.
    own = {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}
    own["properties"]["metadata"]["x-kubernetes-preserve-unknown-fields"] = True
    errors = Draft202012Validator(strict(own)).iter_errors(manifest)
    problems = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    not_judged = []
    for path, value, rule in _rules(own, manifest, ""):
        try:
            if not _holds(rule["rule"], value):
                problems.append(f"{path}: {rule.get('message', rule['rule'])}")
        except NotImplementedError as reason:
            not_judged.append(f"{path}: {reason}: {rule['rule']}")
    return Report(problems, not_judged)


def _rules(schema: Schema, value: Any, path: str) -> Iterator[tuple[str, Any, dict[str, str]]]:
    """Every rule that speaks of something that the value has."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, value, rule
    if isinstance(value, dict):
        for name, part in value.items():
            below = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if isinstance(below, dict):
                yield from _rules(below, part, f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for place, part in enumerate(value):
            yield from _rules(schema["items"], part, f"{path}.{place}")


@cache
def _environment() -> Any:
    return cel.NewEnv(variables={"self": cel.Type.DYN})


def _holds(rule: str, value: Any) -> bool:
    """Raises NotImplementedError where a rule needs more than the value and CEL's standard functions."""
    if TRANSITION in rule:
        raise NotImplementedError("speaks of a change")
    try:
        expression = _environment().compile(rule)
    except RuntimeError as error:
        raise NotImplementedError(str(error).splitlines()[0]) from error
    answer = expression.eval(data={"self": value}).value()
    if not isinstance(answer, bool):
        raise NotImplementedError(f"gives {answer!r}")
    return answer
