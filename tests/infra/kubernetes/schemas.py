"""What is wrong with a manifest, by Kubernetes' own schemas or, for custom resources, those kept here."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import SchemaNotFoundError
from referencing import Registry, Resource

from tests.infra.kubernetes.rendered import Manifest

KUBERNETES = "1.37"
CORE = "core:"


@cache
def definitions() -> Resource[Any]:
    """Kubernetes' definitions, where a field that is not known is an error."""
    name = f"kubernetes-json-schema/v{KUBERNETES}.0-local-strict/_definitions.json"
    return Resource.from_contents(json.loads((files(kubernetes_validate) / name).read_text()))


@cache
def custom() -> dict[str, Any]:
    """Schemas of specs by `apiVersion kind`."""
    text = Path(__file__).with_name("custom_resources.yaml").read_text()
    return dict(yaml.safe_load(text.replace(CORE, f"{definitions().id()}#/$defs/"))["specs"])


def problems(manifest: Manifest) -> list[str]:
    """Empty where the manifest is valid."""
    key = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    if key in custom():
        return _custom_problems(manifest, custom()[key])
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except SchemaNotFoundError:
        return [f"{key} is no kind that is known here"]
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(str(part) for part in error.path)}: {error.message}"]
    return []


def _custom_problems(manifest: Manifest, spec: dict[str, Any]) -> list[str]:
    metadata = {"$ref": f"{definitions().id()}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    schema = {
        "$id": "file:///custom.json",
        "type": "object",
        "additionalProperties": False,
        "properties": {"apiVersion": {}, "kind": {}, "metadata": metadata, "spec": spec},
    }
    validator = Draft202012Validator(schema, registry=definitions() @ Registry())
    return [
        f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]
