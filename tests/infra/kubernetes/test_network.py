"""Who reaches which port: all pairs of pods, against infra/ports.yaml."""

import copy

import pytest
import yaml

from tests.infra.kubernetes.policies import Peer, allows, peer, selects
from tests.infra.kubernetes.rendered import (
    OVERLAYS,
    ROOT,
    Manifest,
    Pod,
    everything,
    name_of,
    of_kind,
    pods,
    ray_groups,
)

NAME, COMPONENT, CLUSTER = "app.kubernetes.io/name", "app.kubernetes.io/component", "facscale/ray-cluster"
STRANGERS = {
    "kuberay-operator/kuberay-operator": Peer("kuberay-operator", {NAME: "kuberay-operator"}),
    "monitoring/prometheus": Peer("monitoring", {NAME: "prometheus"}),
    "default/stranger": Peer("default", {}),
    "facscale/stranger": Peer("facscale", {}),
    "default/ray head": Peer("default", {NAME: "ray", COMPONENT: "head", CLUSTER: "shared"}),
}
RAY_PORTS = {
    "metrics-export-port": "ray-metrics",
    "dashboard-agent-listen-port": "ray-agent",
    "dashboard-agent-grpc-port": "ray-agent-grpc",
    "runtime-env-agent-port": "ray-runtime-env",
    "node-manager-port": "ray-node-manager",
    "object-manager-port": "ray-object-manager",
}


def ports() -> dict[str, dict]:
    return dict(yaml.safe_load((ROOT / "infra/ports.yaml").read_text())["kubernetes"])


def described(peer: Peer) -> set[str]:
    """What ports.yaml calls a pod of the namespace."""
    words = {peer.labels.get(NAME, "")}
    if COMPONENT in peer.labels:
        words.add(f"{peer.labels[NAME]} {peer.labels[COMPONENT]}")
    return words


def owns(entry: dict, pod: Pod) -> bool:
    component = pod.labels.get(COMPONENT)
    return {
        "Ray head": component == "head",
        "every Ray node": component in ("head", "worker"),
        "Ray workers": component == "worker",
        "MLflow": pod.labels[NAME] == "mlflow",
        "Postgres": pod.labels[NAME] == "postgres",
        "SeaweedFS, in cpu-kind only": pod.labels[NAME] == "store",
    }[entry["owner"]]


def numbers(entry: dict) -> list[int]:
    low, _, high = str(entry["port"]).partition("-")
    return [33333] if low == "any" else [int(low), int(high or low)]


def wrong_ways(manifests: tuple[Manifest, ...]) -> list[str]:
    """Ways that are open and not in ports.yaml, or in it and closed."""
    everybody = pods(manifests)
    sources = {pod.where: peer(pod) for pod in everybody} | STRANGERS
    wrong = []
    for name, entry in ports().items():
        for target in (pod for pod in everybody if owns(entry, pod)):
            for where, source in sources.items():
                same = source.namespace == "facscale" and (
                    source.labels.get(CLUSTER) == target.labels.get(CLUSTER, "none")
                )
                wanted = where in entry["from"] or (same and "ray nodes of the same cluster" in entry["from"])
                wanted |= source.namespace == "facscale" and not described(source).isdisjoint(entry["from"])
                wrong += [
                    f"{name}: {where} -> {target.where} {port}: {'closed' if wanted else 'open'}"
                    for port in numbers(entry)
                    if allows(manifests, source, peer(target), port) != wanted
                ]
    return wrong


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_are_open_to_their_users_alone(overlay):
    assert wrong_ways(everything(overlay)) == []


def without(policy: str) -> tuple[Manifest, ...]:
    return tuple(m for m in everything("gpu-8x") if name_of(m) != f"NetworkPolicy/{policy}")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("postgres", "postgres: Deployment/mlflow -> StatefulSet/postgres 5432: closed"),
        ("ray-metrics", "ray-metrics: monitoring/prometheus -> RayCluster/facscale head 8080: closed"),
        ("ray-submitter", "ray-jobs-api: RayJob/pack submitter -> RayCluster/facscale head 8265: closed"),
    ],
)
def test_without_a_policy_ways_are_closed(policy, message):
    assert message in wrong_ways(without(policy))


def test_what_no_policy_names_is_closed_by_default():
    new, stranger = Peer("facscale", {NAME: "new"}), STRANGERS["default/stranger"]
    assert not allows(everything("gpu-8x"), stranger, new, 80)
    assert allows(without("default-deny"), stranger, new, 80)


def test_a_policy_that_is_too_wide_is_found():
    changed = copy.deepcopy(everything("gpu-8x"))
    [policy] = [m for m in of_kind(changed, "NetworkPolicy") if m["metadata"]["name"] == "mlflow"]
    policy["spec"]["ingress"] = [{}]
    assert "mlflow: default/stranger -> Deployment/mlflow 5000: open" in wrong_ways(changed)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_port_of_the_manifests_is_described(overlay):
    manifests = everything(overlay)
    for pod in pods(manifests):
        known = {number for entry in ports().values() if owns(entry, pod) for number in numbers(entry)}
        assert set(pod.ports().values()) <= known, pod.where
    for manifest in of_kind(manifests, "RayCluster", "RayJob"):
        for group in ray_groups(manifest):
            start = group.start
            found = {name: int(start[parameter]) for parameter, name in RAY_PORTS.items()}
            assert found == {name: ports()[name]["port"] for name in found}, group.where
            workers = f"{start['min-worker-port']}-{start['max-worker-port']}"
            assert workers == ports()["ray-workers"]["port"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_are_described_and_lead_somewhere(overlay):
    manifests = everything(overlay)
    services = of_kind(manifests, "Service")
    found = {m["metadata"]["name"]: [port["port"] for port in m["spec"]["ports"]] for m in services}
    wanted = {entry["address"]: [entry["port"]] for entry in ports().values()}
    assert found.items() <= wanted.items()
    for service in services:
        [pod] = [
            pod
            for pod in pods(manifests)
            if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
        ]
        for port in service["spec"]["ports"]:
            assert pod.ports()[port["targetPort"]] == port["port"]


def test_every_entry_says_who_and_why():
    content = yaml.safe_load((ROOT / "infra/ports.yaml").read_text())
    assert set(content) == {"kubernetes", "local"}
    for name, entry in content["kubernetes"].items():
        assert set(entry) == {"owner", "port", "address", "authentication", "from", "why"}, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_reaches_the_clouds_metadata_service(overlay):
    blocks = [
        entry["ipBlock"]
        for policy in of_kind(everything(overlay), "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for entry in rule.get("to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}])
        if "ipBlock" in entry
    ]
    assert blocks
    assert all("169.254.0.0/16" in block.get("except", []) for block in blocks)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_reads_every_ray_node(overlay):
    manifests = everything(overlay)
    [monitor] = of_kind(manifests, "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    nodes = [pod for pod in pods(manifests) if pod.labels.get(COMPONENT) in ("head", "worker")]
    assert len(nodes) == 4
    for pod in nodes:
        assert selects(monitor["spec"]["selector"], pod.labels)
        assert pod.ports()[endpoint["port"]] == ports()["ray-metrics"]["port"]
