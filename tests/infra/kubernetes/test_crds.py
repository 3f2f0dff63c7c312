"""The check against CRDs, on a small definition of this test's own: schema, unknown fields and CEL rules."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.kubernetes.crds import check, read_crds

ROOT = Path(__file__).parents[3]
SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer"},
        "limit": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "name": {
            "type": "string",
            "x-kubernetes-validations": [{"rule": "self == oldSelf"}, {"rule": "isURL(self)"}],
        },
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}},
                "x-kubernetes-validations": [
                    {"rule": "!has(self.low) || self.low < self.high", "message": "low is not below high"}
                ],
            },
        },
    },
    "x-kubernetes-validations": [{"rule": "self.parts.size() == self.size", "message": "size is wrong"}],
}


@pytest.fixture
def crds(tmp_path: Path) -> dict[tuple[str, str], Any]:
    schema = {"type": "object", "properties": {"apiVersion": {}, "kind": {}, "spec": SPEC}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "names": {"kind": "Box"}, "versions": [version]}
    crd = {"kind": "CustomResourceDefinition", "spec": spec}
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"kind": "List", "items": [crd]}))
    return read_crds(tmp_path)


def box(**spec: Any) -> dict[str, Any]:
    given = {"size": 1, "parts": [{"low": 1, "high": 2}], **spec}
    return {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": given}


def test_a_valid_object(crds):
    report = check(box(limit="5Gi", free={"any": 1}, labels={"a": "b"}), crds)
    assert report.problems == report.not_judged == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"sise": 1}, "spec: Additional properties are not allowed ('sise' was unexpected)"),
        ({"limit": 1.5}, "spec.limit: 1.5 is not valid under any of the given schemas"),
        ({"labels": {"a": 1}}, "spec.labels.a: 1 is not of type 'string'"),
        ({"parts": [{"low": 2, "high": 2}]}, ".spec.parts.0: low is not below high"),
        ({"size": 2}, ".spec: size is wrong"),
    ],
)
def test_a_broken_object_is_named(crds, spec, message):
    assert check(box(**spec), crds).problems == [message]


def test_rules_that_need_more_than_the_object_are_said(crds):
    report = check(box(name="x"), crds)
    assert report.problems == []
    change, function = report.not_judged
    assert change == ".spec.name: speaks of a change: self == oldSelf"
    assert function.startswith(".spec.name: ")
    assert function.endswith(": isURL(self)")
    assert "undeclared reference to 'isURL'" in function


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no CustomResourceDefinition in the YAML files of"):
        read_crds(tmp_path)
    command = [sys.executable, "-m", "tests.infra.kubernetes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "found [], wanted one folder" in done.stderr
