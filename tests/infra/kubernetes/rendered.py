"""The manifests as `kubectl kustomize` renders them, and the pods that come of them."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "infra/kubernetes"
OVERLAYS = ("cpu-kind", "gpu-8x", "spot")
Manifest = dict[str, Any]


class RenderError(Exception):
    """What kustomize says of a folder that it cannot render."""


@cache
def render(folder: Path) -> tuple[Manifest, ...]:
    """Objects of a kustomization, in order. Callers must not change them.

    Raises:
        RenderError: kustomize refuses the folder.
    """
    kubectl = str(Path(sys.executable).with_name("kubectl"))
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RenderError(done.stderr)
    return tuple(yaml.safe_load_all(done.stdout))


def everything(overlay: str) -> tuple[Manifest, ...]:
    """What stays, and the jobs."""
    return render(FOLDER / "overlays" / overlay) + render(FOLDER / "overlays" / overlay / "jobs")


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def one(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    [found] = [m for m in of_kind(manifests, kind) if m["metadata"]["name"] == name]
    return found


@dataclass(frozen=True)
class RayGroup:
    """A head (1 replica) or a group of workers of one Ray cluster."""

    where: str
    cluster: dict[str, Any]
    """The whole spec of its RayCluster."""
    spec: dict[str, Any]
    is_head: bool

    @property
    def start(self) -> dict[str, str]:
        return dict(self.spec["rayStartParams"])

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.spec["template"])

    @property
    def container(self) -> dict[str, Any]:
        return dict(self.template["spec"]["containers"][0])


def ray_groups(manifest: Manifest) -> list[RayGroup]:
    """Those of a RayCluster, or of the cluster that a RayJob makes."""
    spec = manifest["spec"]
    cluster = spec if manifest["kind"] == "RayCluster" else spec.get("rayClusterSpec")
    if cluster is None:
        return []
    where = name_of(manifest)
    head = RayGroup(f"{where} head", cluster, cluster["headGroupSpec"], is_head=True)
    return [
        head,
        *(
            RayGroup(f"{where} {group['groupName']}", cluster, group, is_head=False)
            for group in cluster["workerGroupSpecs"]
        ),
    ]


@dataclass(frozen=True)
class Pod:
    """A pod template, and where it stands."""

    where: str
    labels: dict[str, str]
    spec: dict[str, Any]

    def containers(self) -> Iterator[dict[str, Any]]:
        yield from self.spec.get("initContainers", [])
        yield from self.spec["containers"]

    def ports(self) -> dict[str, int]:
        return {
            port["name"]: port["containerPort"]
            for container in self.containers()
            for port in container.get("ports", [])
        }


def _pod(where: str, template: dict[str, Any]) -> Pod:
    return Pod(where, template["metadata"]["labels"], template["spec"])


def pods(manifests: tuple[Manifest, ...]) -> list[Pod]:
    """Every pod template, the autoscaler as a container of its head."""
    found = []
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        found.append(_pod(name_of(manifest), manifest["spec"]["template"]))
    for manifest in of_kind(manifests, "RayCluster", "RayJob"):
        for group in ray_groups(manifest):
            pod = _pod(group.where, group.template)
            if group.is_head and group.cluster.get("enableInTreeAutoscaling"):
                autoscaler = {"name": "autoscaler", **group.cluster["autoscalerOptions"]}
                containers = [*pod.spec["containers"], autoscaler]
                pod = Pod(pod.where, pod.labels, {**pod.spec, "containers": containers})
            found.append(pod)
        if manifest["kind"] == "RayJob":
            found.append(_pod(f"{name_of(manifest)} submitter", manifest["spec"]["submitterPodTemplate"]))
    return found


def bytes_of(quantity: str | int) -> int:
    """Of a Kubernetes quantity of memory."""
    text = str(quantity)
    for number, suffix in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1):
        if text.endswith(suffix):
            return int(float(text.removesuffix(suffix)) * 1024**number)
    return int(text)


def cores_of(quantity: str | int) -> float:
    text = str(quantity)
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)
