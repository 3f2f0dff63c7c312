"""Every overlay renders, and each object is valid by its schema."""

import copy
import re
from pathlib import Path

import pytest

from tests.infra.kubernetes.rendered import (
    FOLDER,
    OVERLAYS,
    Manifest,
    RenderError,
    everything,
    name_of,
    one,
    render,
)
from tests.infra.kubernetes.schemas import problems

CLUSTER_WIDE = ("Namespace", "ClusterQueue", "ResourceFlavor")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay):
    found = {name_of(manifest): problems(manifest) for manifest in everything(overlay)}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    wanted = {
        *("RayCluster/facscale", "RayJob/pretrain", "RayJob/pack", "RayJob/finetune", "Deployment/mlflow"),
        *("StatefulSet/postgres", "LocalQueue/facscale", "PodMonitor/ray", "NetworkPolicy/default-deny"),
    }
    assert wanted <= set(found)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_has_its_place(overlay):
    for manifest in everything(overlay):
        wanted = None if manifest["kind"] in CLUSTER_WIDE else "facscale"
        assert manifest["metadata"].get("namespace") == wanted, name_of(manifest)
    names = [name_of(manifest) for manifest in everything(overlay)]
    assert sorted(names) == sorted(set(names))


def broken(kind: str, name: str, path: str, value: object) -> Manifest:
    """A copy with one value set, or taken away where it is None; numbers in `path` are places in lists."""
    manifest = copy.deepcopy(one(everything("gpu-8x"), kind, name))
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    holder = manifest
    for part in parents:
        holder = holder[part]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return manifest


WORKER = "spec/workerGroupSpecs/0/template/spec/containers/0"


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "message"),
    [
        ("Deployment", "mlflow", "spec/replica", 1, "'replica' was unexpected"),
        ("Deployment", "mlflow", "spec/selector", None, "'selector' is a required property"),
        ("NetworkPolicy", "dns", "spec/egress/0/ports/0/port", [53], r"\[53\] is not"),
        ("RayCluster", "facscale", f"{WORKER}/resource", {}, "'resource' was unexpected"),
        ("RayCluster", "facscale", f"{WORKER}/image", 3, "3 is not of type 'string'"),
        ("RayCluster", "facscale", "spec/headGroupSpec/rayStartParams/num-cpus", 0, "0 is not of type"),
        ("RayCluster", "facscale", "spec/authOptions/mode", "disabled", "'token' was expected"),
        ("RayJob", "pretrain", "spec/clusterSelector", {"ray.io/cluster": "facscale"}, "not valid under any"),
        ("RayJob", "pack", "spec/backoffLimit", 3, "not valid under any"),
        ("RayJob", "pack", "spec/submitterPodTemplate/spec/container", [], "'container' was unexpected"),
        ("ClusterQueue", "facscale", "spec/queueingStrategy", "LIFO", "'LIFO' is not one of"),
        ("PodMonitor", "ray", "spec/podMetricsEndpoints/0/interval", "15 s", "does not match"),
    ],
)
def test_a_broken_object_is_an_error(kind, name, path, value, message):
    [problem] = problems(broken(kind, name, path, value))
    assert re.search(message, problem), problem


def test_an_unknown_kind_is_an_error():
    assert problems({"apiVersion": "v1", "kind": "Pot"}) == ["v1 Pot is no kind that is known here"]


def test_what_cannot_be_rendered_is_an_error(tmp_path: Path):
    (tmp_path / "kustomization.yaml").write_text("resources: [gone.yaml]\n")
    with pytest.raises(RenderError, match=r"gone\.yaml"):
        render(tmp_path)
    for overlay in OVERLAYS:
        assert (FOLDER / "overlays" / overlay / "kustomization.yaml").is_file()
