"""Names and versions that stand in several places are the same: manifests, image, pins, code."""

import configparser
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from pretrain.config import Request, load
from ray_jobs.pack_cluster import PackJob
from tests.infra.kubernetes.rendered import (
    FOLDER,
    OVERLAYS,
    ROOT,
    everything,
    of_kind,
    one,
    pods,
    ray_groups,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = re.compile(rf"(registry\.example\.com/)?facscale:{re.escape(PROJECT['version'])}-(cpu|cuda)")
IN_IMAGE = "/opt/facscale"


def pin(name: str) -> str:
    [version] = re.findall(rf"^{name}==(.+)$", (ROOT / "infra/constraints.txt").read_text(), re.MULTILINE)
    return str(version)


def dockerfile() -> str:
    return (ROOT / "infra/Dockerfile").read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ray_is_the_pinned_one(overlay):
    clusters = [
        group.cluster
        for manifest in of_kind(everything(overlay), "RayCluster", "RayJob")
        for group in ray_groups(manifest)
    ]
    assert {cluster["rayVersion"] for cluster in clusters} == {pin("ray")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_images_are_exact_and_one_per_ray_cluster(overlay):
    images = {
        container["image"]
        for pod in pods(everything(overlay))
        for container in pod.containers()
        if container["name"] != "autoscaler"  # KubeRay gives it the head's
    }
    others = {image for image in images if not IMAGE.fullmatch(image)}
    assert others == {"postgres:17.6-bookworm"}
    for manifest in of_kind(everything(overlay), "RayCluster", "RayJob"):
        assert len({group.container["image"] for group in ray_groups(manifest)}) <= 1
    pretrain = ray_groups(one(everything(overlay), "RayJob", "pretrain"))
    kind = "cuda" if "num-gpus" in pretrain[1].start else "cpu"
    assert pretrain[1].container["image"].endswith(f"-{kind}")
    assert f"AS {kind}\n" in dockerfile()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_entrypoints_are_modules_and_files_of_the_image(overlay):
    jobs = of_kind(everything(overlay), "RayJob")
    assert len(jobs) == 3
    for job in jobs:
        python, flag, module, *words = job["spec"]["entrypoint"].split()
        assert (python, flag) == ("python", "-m")
        assert importlib.util.find_spec(module) is not None
        assert module == f"ray_jobs.{job['metadata']['name']}_job"
        for word in words:
            assert "=" in word or (ROOT / word.removeprefix(f"{IN_IMAGE}/")).is_file(), word
            assert re.fullmatch(r"[\w./:=-]+", word), f"{word}: a shell reads this"
    pack = one(everything(overlay), "RayJob", "pack")["spec"]["entrypoint"].split()[3:]
    config = load(PackJob, Request((), tuple(pack), print_only=False))
    assert f"data.url={config.url}" in one(everything(overlay), "RayJob", "pretrain")["spec"]["entrypoint"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_job_on_the_cluster_that_stays_finds_it(overlay):
    name = one(everything(overlay), "RayCluster", "facscale")["metadata"]["name"]
    selectors = [
        job["spec"]["clusterSelector"]
        for job in of_kind(everything(overlay), "RayJob")
        if "clusterSelector" in job["spec"]
    ]
    assert selectors == [{"ray.io/cluster": name}] * 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_mlflow_is_called_by_its_name(overlay):
    manifests = everything(overlay)
    service = one(manifests, "Service", "mlflow")
    host = (
        f"mlflow.{service['metadata']['namespace']}.svc.cluster.local:{service['spec']['ports'][0]['port']}"
    )
    settings = one(manifests, "ConfigMap", "facscale-settings")["data"]
    assert settings["MLFLOW_TRACKING_URI"] == f"http://{host}"
    for name in ("pretrain", "finetune"):
        words = one(manifests, "RayJob", name)["spec"]["entrypoint"].split()
        assert f"tracking.uri=http://{host}" in words
    [pod] = [pod for pod in pods(manifests) if pod.where == "Deployment/mlflow"]
    command = dict(
        word.split("=", 1) for word in pod.spec["containers"][0]["command"] if word.startswith("--")
    )
    assert host in command["--allowed-hosts"].split(",")
    assert command["--app-name"] == "basic-auth"
    assert int(command["--port"]) == service["spec"]["ports"][0]["port"]


def test_mlflow_knows_every_key_of_its_users_file():
    content = one(everything("gpu-8x"), "ConfigMap", "mlflow-auth")["data"]["basic_auth.ini"]
    given = configparser.ConfigParser()
    given.read_string(content)
    [package] = importlib.util.find_spec("mlflow").submodule_search_locations
    own = configparser.ConfigParser()
    assert own.read(Path(package, "server/auth/basic_auth.ini"))
    assert set(given["mlflow"]) <= set(own["mlflow"])
    assert own["mlflow"]["authorization_function"] == given["mlflow"]["authorization_function"]
    assert given["mlflow"]["default_permission"] == "READ"


def test_a_store_inside_the_cluster_is_called_by_its_name():
    manifests = everything("cpu-kind")
    port = one(manifests, "Service", "store")["spec"]["ports"][0]["port"]
    settings = one(manifests, "ConfigMap", "facscale-settings")["data"]
    assert settings["AWS_ENDPOINT_URL"] == f"http://store.facscale.svc.cluster.local:{port}"


def test_settings_are_those_of_submitted_jobs():
    settings = one(everything("gpu-8x"), "ConfigMap", "facscale-settings")["data"]
    submitted = yaml.safe_load((ROOT / "infra/runtime_env.yaml").read_text())["env_vars"]
    assert submitted.items() <= settings.items()


def test_the_image_is_what_the_manifests_believe():
    [user] = re.findall(r"^USER (\d+):(\d+)$", dockerfile(), re.MULTILINE)
    for pod in pods(everything("spot")):
        if any("facscale" in str(container.get("image")) for container in pod.spec["containers"]):
            rights = pod.spec["securityContext"]
            assert (str(rights["runAsUser"]), str(rights["runAsGroup"])) == user, pod.where
    for group in ray_groups(one(everything("spot"), "RayCluster", "facscale")):
        assert f"WORKDIR {group.container['workingDir']}\n" in dockerfile()


def test_the_readme_names_the_versions_that_were_checked():
    text = (FOLDER / "README.md").read_text()
    head = (ROOT / "tests/infra/kubernetes/custom_resources.yaml").read_text().splitlines()[:4]
    for version in re.findall(r"\d+\.\d+\.\d+", " ".join(head)):
        assert version in text
    for overlay in OVERLAYS:
        assert f"`{overlay}`" in text
    assert f"facscale:{PROJECT['version']}-cpu" in text


def test_the_readme_names_files_that_are_there():
    text = (FOLDER / "README.md").read_text()
    names = [name for name in re.findall(r"\]\(([^)]+)\)", text) if "://" not in name]
    assert names
    for name in names:
        assert (FOLDER / name).exists(), name
