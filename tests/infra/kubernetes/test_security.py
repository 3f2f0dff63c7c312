"""What holds for every pod: no root, no rights, no secret in a file, limits, probes, an orderly end."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.kubernetes.rendered import FOLDER, OVERLAYS, Pod, everything, of_kind, one, pods

SECRETS = {
    "facscale-s3": {"access_key_id", "secret_access_key"},
    "facscale-ray": {"auth_token"},
    "facscale-postgres": {"password"},
    "facscale-mlflow-admin": {"username", "password", "flask_secret_key"},
    "facscale-mlflow-client": {"username", "password"},
}
SECRET_NAME = re.compile(r"TOKEN|PASSWORD|SECRET|ACCESS_KEY|CREDENTIAL|PRIVATE", re.IGNORECASE)


def faults(pod: Pod) -> list[str]:
    """Invariants that a pod breaks."""
    user = pod.spec.get("securityContext", {})
    found = []
    if not user.get("runAsNonRoot") or not user.get("runAsUser"):
        found.append("may run as root")
    if user.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("has no seccomp profile")
    if any(pod.spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        found.append("shares the host's namespaces")
    if any("hostPath" in volume for volume in pod.spec.get("volumes", [])):
        found.append("mounts the host's files")
    if "terminationGracePeriodSeconds" not in pod.spec:
        found.append("does not say how long its end may take")
    takes_account = pod.spec.get("automountServiceAccountToken", True)
    if takes_account and "autoscaler" not in [container["name"] for container in pod.containers()]:
        found.append("holds a token of Kubernetes")
    for container in pod.containers():
        found += [f"{container['name']} {fault}" for fault in container_faults(container)]
    return found


def container_faults(container: dict[str, Any]) -> list[str]:
    rights, resources = container.get("securityContext", {}), container.get("resources", {})
    found = []
    if rights.get("allowPrivilegeEscalation") is not False or rights.get("privileged"):
        found.append("may gain rights")
    if rights.get("capabilities") != {"drop": ["ALL"]}:
        found.append("keeps capabilities")
    if not rights.get("readOnlyRootFilesystem"):
        found.append("may write to its image")
    for name in ("cpu", "memory"):
        if name not in resources.get("requests", {}) or name not in resources.get("limits", {}):
            found.append(f"has no request or limit of {name}")
    if resources.get("requests", {}).get("memory") != resources.get("limits", {}).get("memory"):
        found.append("may be given less memory than it may take")
    for entry in container.get("env", []):
        if SECRET_NAME.search(entry["name"]) and "secretKeyRef" not in entry.get("valueFrom", {}):
            found.append(f"has {entry['name']} as text")
    if container.get("ports"):
        probes = ("startupProbe", "readinessProbe", "livenessProbe")
        found += [f"has no {probe}" for probe in probes if probe not in container]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_keeps_to_the_rules(overlay):
    found = {pod.where: faults(pod) for pod in pods(everything(overlay))}
    assert {where: wrong for where, wrong in found.items() if wrong} == {}
    assert len(found) >= 9


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    [pod] = [pod for pod in pods(everything("gpu-8x")) if pod.where == "Deployment/mlflow"]
    spec = copy.deepcopy(pod.spec)
    change(spec)
    return faults(Pod(pod.where, pod.labels, spec))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda spec: spec["securityContext"].pop("runAsNonRoot"), "may run as root"),
        (lambda spec: spec["securityContext"].pop("seccompProfile"), "has no seccomp profile"),
        (lambda spec: spec.update(hostNetwork=True), "shares the host's namespaces"),
        (lambda spec: spec["volumes"].append({"name": "x", "hostPath": {}}), "mounts the host's files"),
        (lambda spec: spec.pop("automountServiceAccountToken"), "holds a token of Kubernetes"),
        (
            lambda spec: spec["initContainers"][1]["securityContext"].pop("capabilities"),
            "migrate keeps capabilities",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
            "mlflow may write to its image",
        ),
        (
            lambda spec: spec["containers"][0]["env"].append({"name": "MY_TOKEN", "value": "x"}),
            "mlflow has MY_TOKEN as text",
        ),
        (lambda spec: spec["containers"][0].pop("livenessProbe"), "mlflow has no livenessProbe"),
        (
            lambda spec: spec["containers"][0]["resources"]["limits"].pop("cpu"),
            "mlflow has no request or limit of cpu",
        ),
    ],
)
def test_a_broken_rule_is_found(change, fault):
    assert changed(change) == [fault]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_named_and_never_given(overlay):
    manifests = everything(overlay)
    assert of_kind(manifests, "Secret") == []
    named: dict[str, set[str]] = {}
    for pod in pods(manifests):
        for container in pod.containers():
            for entry in container.get("env", []):
                if "secretKeyRef" in entry.get("valueFrom", {}):
                    reference = entry["valueFrom"]["secretKeyRef"]
                    named.setdefault(reference["name"], set()).add(reference["key"])
    for cluster in [
        one(manifests, "RayCluster", "facscale")["spec"],
        one(manifests, "RayJob", "pretrain")["spec"]["rayClusterSpec"],
    ]:
        assert cluster["authOptions"]["mode"] == "token"
        named.setdefault(cluster["authOptions"]["secretName"], set()).add("auth_token")
    assert named == SECRETS
    readme = (FOLDER / "README.md").read_text()
    for name, keys in SECRETS.items():
        [command] = re.findall(rf"create secret generic {name} (.*?)\n(?!        )", readme, re.DOTALL)
        assert set(re.findall(r"--from-\w+=(\w+)=?", command)) == keys, name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_hold_no_secret(overlay):
    for manifest in of_kind(everything(overlay), "ConfigMap"):
        for name, value in manifest["data"].items():
            assert not SECRET_NAME.search(name)
            assert not re.search(
                r"(password|secret|token)\s*[=:]\s*\S|://[^/\s]+:[^/\s]+@", value, re.IGNORECASE
            )


def test_the_namespace_refuses_what_the_rules_refuse():
    labels = one(everything("gpu-8x"), "Namespace", "facscale")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_shared_memory_and_scratch_are_bounded(overlay):
    for pod in pods(everything(overlay)):
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        for name, volume in volumes.items():
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], f"{pod.where} {name}"
        if pod.labels["app.kubernetes.io/name"] == "ray" and "shared-mem" in volumes:
            assert volumes["shared-mem"]["emptyDir"]["medium"] == "Memory"
            mounts = {
                mount["mountPath"]: mount["name"] for mount in pod.spec["containers"][0]["volumeMounts"]
            }
            assert mounts == {"/dev/shm": "shared-mem", "/tmp": "tmp"}
