"""The house: who may import whom, where each third-party package lives, and what stands where."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("shards", "pretrain", "finetune", "ray_jobs")

# Longest prefix wins. A module may import its own entry's modules and what its entry lists.
PRETRAIN_LEAF = (
    "pretrain.config",
    "pretrain.models",
    "pretrain.losses",
    "pretrain.metrics",
    "pretrain.augment",
    "pretrain.device",
)
PRETRAIN_LIBRARY = (
    *PRETRAIN_LEAF,
    "pretrain.errors",
    "pretrain.optim",
    "pretrain.world",
    "pretrain.engine",
    "pretrain.engines",
    "pretrain.attempt",
    "pretrain.checkpoint",
    "pretrain.checkpoint_files",
    "pretrain.checkpoint_reader",
    "pretrain.retention",
    "pretrain.not_finite",
    "pretrain.sampled",
    "pretrain.labels",
    "pretrain.run",
    "pretrain.stop",
    "pretrain.tracking",
    "pretrain.progress",
    "pretrain.flops",
    "pretrain.meter",
    "pretrain.memory",
    "pretrain.momentum",
    "pretrain.objectives.objective",
    "pretrain.objectives.student",
)
FINETUNE_SERVED = (
    "finetune.predict",
    "finetune.served",
    "finetune.models",
    "finetune.artifact",
    "finetune.faces",
)
MAY_IMPORT = {
    "shards": ("shards",),
    **dict.fromkeys(PRETRAIN_LEAF, ("shards", *PRETRAIN_LEAF)),
    "pretrain": ("shards", *PRETRAIN_LIBRARY),
    "pretrain.objectives": ("shards", *PRETRAIN_LIBRARY),
    "pretrain.objectives.registry": ("pretrain.objectives",),
    "pretrain.recipe": ("shards", "pretrain"),
    "pretrain.identity": ("shards", "pretrain"),
    "pretrain.train": ("shards", "pretrain"),
    "pretrain.__main__": ("shards", "pretrain"),
    "finetune": ("shards", "finetune", *PRETRAIN_LIBRARY),
    **dict.fromkeys(FINETUNE_SERVED, ("shards", *PRETRAIN_LEAF, *FINETUNE_SERVED)),
    "ray_jobs": PACKAGES,
}

# Where a third-party package may be imported; anything not listed may be imported anywhere.
LIVES_IN = {
    "ray": ("ray_jobs",),
    "deepspeed": ("pretrain.engines",),
    "omegaconf": ("pretrain.config",),
    "mlflow": ("pretrain.tracking", "finetune", "ray_jobs"),
    "transformers": ("pretrain.models",),
    "av": ("shards.pack", "shards.video", "finetune.predict"),
    "cv2": ("shards.pack", "shards.synthetic", "finetune.faces"),
    "matplotlib": ("shards.stats_views", "shards.inspect"),
    "simplejpeg": ("shards", "finetune.faces", "finetune.served"),
    "webdataset": ("shards.stream",),
    "fsspec": ("shards.s3", "shards.s3_errors", "shards.retry", "shards.storage"),
    "botocore": ("shards.s3_account", "shards.s3_errors", "shards.s3_ranges"),
    "s3fs": ("shards.s3", "shards.s3_errors", "shards.retry", "shards.storage"),
    "torch": ("pretrain", "finetune", "ray_jobs"),
}
MAX_LINES = 300


@cache
def modules() -> dict[str, Path]:
    """Dotted names of the project's modules."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Dotted names imported anywhere in a file, functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            known = modules()
            names.update(
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module
                for alias in node.names
            )
    return names


def under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def rule_of(name: str) -> tuple[str, ...]:
    return MAY_IMPORT[max((prefix for prefix in MAY_IMPORT if under(name, (prefix,))), key=len)]


def test_layers():
    broken = [
        f"{name} imports {imported}"
        for name, path in modules().items()
        for imported in imports(path)
        if imported.split(".")[0] in PACKAGES and imported != name and not under(imported, rule_of(name))
    ]
    assert broken == []


def test_third_party_packages_live_in_their_place():
    broken = [
        f"{name} imports {imported}"
        for name, path in modules().items()
        for imported in imports(path)
        if imported.split(".")[0] in LIVES_IN and not under(name, LIVES_IN[imported.split(".")[0]])
    ]
    assert broken == []


@pytest.mark.parametrize(
    "name", ["shards.schema", "shards.batch", "shards.plan", "shards.policies", "shards.draw"]
)
def test_the_pure_parts_are_plain_python_and_numpy(name):
    allowed = (
        "shards",
        "numpy",
        "collections",
        "dataclasses",
        "typing",
        "functools",
        "hashlib",
        "json",
        "re",
    )
    assert [imported for imported in imports(modules()[name]) if not under(imported, allowed)] == []


def test_the_top_level_is_the_agreed_one():
    wanted = {*PACKAGES, "infra", "tests", "pyproject.toml", "README.md"}
    ignored = {"runs", "build", "dist"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in found - ignored if not name.endswith(".egg-info")} == wanted


def test_no_grab_bags_and_no_packages_under_tests():
    names = {path.stem for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "common", "helpers", "misc", "base", "manager"})
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_package_inits_are_docstrings():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            body = ast.parse(path.read_text()).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


def test_files_fit_on_a_few_screens():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules().values()
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_tests_mirror_the_packages():
    """A test file stands where its module does, or tests a whole package, a script or a promise."""
    known = modules()
    strays = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        parts = path.relative_to(ROOT / "tests").with_suffix("").parts
        if parts[0] not in PACKAGES:
            continue
        name = ".".join((*parts[:-1], parts[-1].removeprefix("test_")))
        if name not in known and f"{'.'.join(parts[:-1])}.__{parts[-1].removeprefix('test_')}__" not in known:
            strays.append(str(path.relative_to(ROOT)))
    assert strays == []


def test_no_paths_of_one_machine():
    marks = ("/" + "work/", "/" + "root/", "/" + "home/")
    broken = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in [*modules().values(), *(ROOT / "infra").rglob("*.*"), ROOT / "README.md"]
        if path.is_file() and path.suffix in (".py", ".sh", ".yaml", ".md", ".txt")
        for mark in marks
        if mark in path.read_text()
    ]
    assert broken == []
