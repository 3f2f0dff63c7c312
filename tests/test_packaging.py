"""The wheel holds the four packages with their data and nothing else; the pins are complete and true."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PACKAGES = ("finetune", "pretrain", "ray_jobs", "shards")
FOLLOWS_TORCH = ("nvidia-", "cuda-", "triton")
"""What a torch for GPUs brings; it asks for each by exact version."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """Names in a wheel, built from a copy: a build leaves files behind and takes up what it finds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "infra", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(source)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("facscale-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_four_packages_and_their_data(wheel):
    suffixes = (".py", ".yaml", ".typed")
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and (path.suffix in suffixes or path.parent.name == "data")
    }
    found = {name for name in wheel if ".dist-info/" not in name}
    assert found == {name for name in wanted if "__pycache__" not in name}
    for name in (
        "pretrain/configs/clp_cpu.yaml",
        "finetune/configs/aunce_disfa.yaml",
        "shards/synthetic/data/head.npz",
        "shards/synthetic/data/LICENSE",
        "shards/pack/data/face_detection_yunet_2023mar.onnx",
        *(f"{package}/py.typed" for package in PACKAGES),
    ):
        assert name in found


def test_nothing_in_a_package_is_left_out_of_the_wheel(wheel):
    left_out = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - wheel
    assert left_out == set()


def test_the_import_names_have_one_owner():
    owners = packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["facscale"])) == {"facscale"}


def test_only_the_four_packages_are_installed():
    owned = {name for name, owners in packages_distributions().items() if "facscale" in owners}
    assert {name for name in owned if not name.startswith("__editable__")} <= set(PACKAGES)


def pins() -> dict[str, Version]:
    found = {}
    for line in (ROOT / "infra/constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            found[canonicalize_name(name)] = Version(version)
    return found


def requirements() -> list[Requirement]:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = content["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in (*groups, content["build-system"]["requires"]) for text in group]


def test_every_pin_is_in_the_range_that_is_asked_for():
    outside = [
        f"{requirement}: {pins().get(canonicalize_name(requirement.name))}"
        for requirement in requirements()
        if str(pins().get(canonicalize_name(requirement.name), "")) not in requirement.specifier
    ]
    assert outside == []


def needed(wanted: list[Requirement]) -> dict[str, str]:
    """Installed versions of what the requirements need, directly and through others."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        requirement = wanted.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            entry = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = Version(entry.version).public
        for text in entry.requires or []:
            further = Requirement(text)
            if further.marker is None or any(further.marker.evaluate({"extra": e}) for e in ("", *extras)):
                wanted.append(further)
    return found


def test_what_is_needed_is_pinned_and_installed_as_pinned():
    wanted = {name: str(version) for name, version in pins().items()}
    installed = needed(requirements())
    assert len(installed) > len(requirements())
    assert {
        name: (version, wanted.get(name))
        for name, version in installed.items()
        if version != wanted.get(name) and not name.startswith(FOLLOWS_TORCH)
    } == {}
