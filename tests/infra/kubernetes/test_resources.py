"""Numbers that must agree: what Ray counts on a node, what its pod gets, what a job asks for, the quota."""

import copy
import re
from collections.abc import Iterator
from itertools import chain

import pytest
from ray.scripts.scripts import start as ray_start

from pretrain.config import Request, load
from ray_jobs.finetune_worker import FinetuneJob
from ray_jobs.pretrain_worker import PretrainJob
from tests.infra.kubernetes.rendered import (
    OVERLAYS,
    ROOT,
    RayGroup,
    bytes_of,
    cores_of,
    everything,
    of_kind,
    one,
    pods,
    ray_groups,
)

GPU = "nvidia.com/gpu"
DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
RAY_END_SECONDS = 20
"""What is left of the grace for Ray's own end, at least."""


def groups(overlay: str) -> Iterator[RayGroup]:
    return chain.from_iterable(map(ray_groups, of_kind(everything(overlay), "RayCluster", "RayJob")))


def volume_bytes(group: RayGroup, name: str) -> int:
    [volume] = [volume for volume in group.template["spec"]["volumes"] if volume["name"] == name]
    return bytes_of(volume["emptyDir"]["sizeLimit"])


def job_of(overlay: str, name: str, schema: type) -> object:
    """The config that a job's entrypoint gives, with its paths in the image as those of this checkout."""
    words = one(everything(overlay), "RayJob", name)["spec"]["entrypoint"].split()[3:]
    files = tuple(ROOT / word.removeprefix("/opt/facscale/") for word in words if word.endswith(".yaml"))
    return load(schema, Request(files, tuple(word for word in words if "=" in word), print_only=False))


def faults(group: RayGroup) -> list[str]:
    """Where Ray counts what the pod does not get. A memory volume counts into the container's limit."""
    start, resources = group.start, group.container["resources"]
    limit, shared = bytes_of(resources["limits"]["memory"]), volume_bytes(group, "shared-mem")
    cpus = 0.0 if group.is_head else cores_of(resources["requests"]["cpu"])
    wrong = {
        "may get less than it may take": resources["requests"] != resources["limits"],
        "num-cpus is not what the pod gets": float(start["num-cpus"]) != cpus,
        "num-gpus is not what the pod gets": int(start.get("num-gpus", 0))
        != int(resources["requests"].get(GPU, 0)),
        "memory and /dev/shm do not fit": int(start["memory"]) + shared > limit,
        "objects do not fit into /dev/shm": int(start["object-store-memory"]) >= shared,
    }
    return [fault for fault, is_so in wrong.items() if is_so]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ray_counts_what_the_pod_gets(overlay):
    found = {group.where: faults(group) for group in groups(overlay)}
    assert found == {where: [] for where in found}
    assert len(found) == 4


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("num-cpus", "89", "num-cpus is not what the pod gets"),
        ("num-gpus", "4", "num-gpus is not what the pod gets"),
        ("memory", str(900 * 2**30), "memory and /dev/shm do not fit"),
        ("object-store-memory", str(64 * 2**30), "objects do not fit into /dev/shm"),
    ],
)
def test_a_number_of_its_own_is_found(name, value, fault):
    _, trainer = ray_groups(copy.deepcopy(one(everything("gpu-8x"), "RayJob", "pretrain")))
    trainer.spec["rayStartParams"][name] = value
    assert faults(trainer) == [fault]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_start_parameters_are_options_of_ray_start(overlay):
    options = {name for option in ray_start.params for name in option.opts}
    for group in groups(overlay):
        assert {f"--{name}" for name in group.start} <= options, group.where


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pretraining_job_fills_its_cluster(overlay):
    job = job_of(overlay, "pretrain", PretrainJob)
    _, trainer = ray_groups(one(everything(overlay), "RayJob", "pretrain"))
    pods_of = trainer.spec["replicas"]
    assert trainer.spec["minReplicas"] == trainer.spec["maxReplicas"] == pods_of
    cpus, gpus = int(trainer.start["num-cpus"]), int(trainer.start.get("num-gpus", 0))
    per_pod = job.cluster.workers / pods_of
    assert per_pod * job.cluster.cpus_per_worker == cpus
    assert per_pod * job.cluster.gpus_per_worker == gpus
    budget = one(everything(overlay), "PodDisruptionBudget", "ray-pretrain-workers")["spec"]
    assert budget["minAvailable"] == pods_of - 1
    assert job.run.global_batch % job.cluster.workers == 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_finetuning_job_fits_on_a_node(overlay):
    job = job_of(overlay, "finetune", FinetuneJob)
    _, cpu = ray_groups(one(everything(overlay), "RayCluster", "facscale"))
    assert job.cluster.cpus <= int(cpu.start["num-cpus"])
    assert job.init == f"{job_of(overlay, 'pretrain', PretrainJob).run.url}/encoder"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_run_can_save_within_its_notice(overlay):
    """It looks for the notice once per log step."""
    job = job_of(overlay, "pretrain", PretrainJob)
    for group in groups(overlay):
        [seconds] = [int(e["value"]) for e in group.container["env"] if e["name"] == DRAIN]
        grace = group.template["spec"]["terminationGracePeriodSeconds"]
        assert seconds + RAY_END_SECONDS <= grace, group.where
        if job.expected is not None and "pretrain" in group.where:
            log_seconds = job.run.log_every * job.run.global_batch / job.expected.clips_per_second
            assert group.is_head or log_seconds <= 0.7 * seconds, group.where


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_quota_holds_what_stays_and_a_run(overlay):
    """Kueue would keep a job for ever that is larger than its quota."""
    [queue] = of_kind(everything(overlay), "ClusterQueue")
    [group] = queue["spec"]["resourceGroups"]
    [flavor] = group["flavors"]
    quota = {resource["name"]: resource["nominalQuota"] for resource in flavor["resources"]}
    assert list(quota) == group["coveredResources"]
    asked = {"cpu": 0.0, "memory": 0.0, GPU: 0.0}
    queued = [pod for pod in pods(everything(overlay)) if re.search(r"/facscale|/pretrain", pod.where)]
    assert len(queued) == 5  # two heads, two groups, one submitter
    for pod in queued:
        for container in pod.containers():
            requests = container["resources"]["requests"]
            assert set(requests) <= set(quota), f"{pod.where} asks for what the queue does not cover"
            asked["cpu"] += cores_of(requests["cpu"])
            asked["memory"] += bytes_of(requests["memory"])
            asked[GPU] += int(requests.get(GPU, 0))
    assert asked["cpu"] <= cores_of(quota["cpu"])
    assert asked["memory"] <= bytes_of(quota["memory"])
    assert asked[GPU] <= int(quota[GPU])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_budgets_of_rays_pods_are_numbers_to_keep(overlay):
    """For pods of a custom resource Kubernetes knows no share, and nothing that may be away."""
    budgets = of_kind(everything(overlay), "PodDisruptionBudget")
    rays = [b["spec"] for b in budgets if "facscale/ray-cluster" in b["spec"]["selector"]["matchLabels"]]
    assert len(rays) == 3
    assert all(isinstance(spec["minAvailable"], int) and "maxUnavailable" not in spec for spec in rays)


def test_gpu_pods_go_to_gpu_nodes_and_others_may_not_be_there():
    for overlay in ("gpu-8x", "spot"):
        for group in groups(overlay):
            spec = group.template["spec"]
            keys = [toleration["key"] for toleration in spec.get("tolerations", [])]
            needs = GPU in group.container["resources"]["requests"]
            assert (GPU in keys) == (spec.get("nodeSelector", {}).get(f"{GPU}.present") == "true") == needs


def test_on_spot_only_workers_may_be_taken():
    label = "karpenter.sh/capacity-type"
    for pod in pods(everything("spot")):
        component = pod.labels.get("app.kubernetes.io/component")
        if component != "submitter":
            wanted = "spot" if component == "worker" else "on-demand"
            assert pod.spec["nodeSelector"][label] == wanted, pod.where
