"""The image: linted, pinned, installed by the script that the tests use, and made of what it needs alone."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "infra/Dockerfile").read_text()


def lint(text: str) -> str:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True)
    return done.stdout + done.stderr


def instructions(text: str) -> list[tuple[str, str]]:
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def faults(text: str) -> list[str]:
    """What an image of ours must not be."""
    found = []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    base = re.search(r"^ARG PYTHON_IMAGE=python:(\d+\.\d+\.\d+)-slim-[a-z]+$", text, re.MULTILINE)
    if base is None or base[1] not in SpecifierSet(project["requires-python"]):
        found.append("base image is not an exact Python of ours")
    for name, rest in instructions(text):
        if name == "RUN" and re.search(
            r"\b(pip|apt|apt-get|curl|wget|conda)\b(?! *,)", re.sub(r"--mount\S+", "", rest)
        ):
            found.append(f"installs by itself: {rest}")
        if (
            name == "RUN"
            and "setup.sh" in rest
            and not re.search(r"bash infra/setup\.sh \.venv \"\$EXTRAS\"", rest)
        ):
            found.append(f"calls setup.sh in another way: {rest}")
        if name == "ARG" and rest.startswith("EXTRAS=") and not set(rest[7:].split(",")) <= extras:
            found.append(f"unknown extras: {rest}")
        if name == "FROM" and rest.split()[0] not in ("${PYTHON_IMAGE}", "source", "runtime"):
            found.append(f"another base: {rest}")
        if name == "ADD" or (name == "COPY" and rest.split()[0] == "."):
            found.append(f"takes more than it names: {rest}")
    runtime = text[text.index("AS runtime") :]
    if not re.search(r"^USER [1-9]\d*:[1-9]\d*$", runtime, re.MULTILINE) or "USER 0" in runtime:
        found.append("runs as root")
    return found


def test_hadolint_has_nothing_to_say():
    assert lint(TEXT) == ""
    assert "DL3006" in lint("FROM debian\nRUN true\n")


def test_the_image_keeps_to_the_rules():
    assert faults(TEXT) == []
    assert len(re.findall(r"bash infra/setup\.sh", TEXT)) == 2


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("python:3.11.14-slim-bookworm", "python:3-slim", "base image is not an exact Python of ours"),
        ("python:3.11.14", "python:3.14.1", "base image is not an exact Python of ours"),
        ("USER 10001:10001", "USER 0:0", "runs as root"),
        ("ARG EXTRAS=train,onnx,server\n", "ARG EXTRAS=training\n", "unknown extras: EXTRAS=training"),
        ("bash infra/setup.sh .venv", "pip install torch; bash infra/setup.sh .venv", "installs by itself"),
        ("COPY shards shards", "COPY . .", "takes more than it names: . ."),
    ],
)
def test_a_broken_rule_is_found(old, new, fault):
    assert old in TEXT
    assert any(found.startswith(fault) for found in faults(TEXT.replace(old, new)))


def test_the_context_is_what_is_copied():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        word
        for name, rest in instructions(TEXT)
        if name == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def setup(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "infra/setup.sh", *words]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    return subprocess.run(command, cwd=ROOT, env=path | environment, capture_output=True, text=True)


def test_one_environment_that_is_made_is_found(tmp_path):
    """With the stamp of what is wanted, there is nothing to do; nor is another environment looked at."""
    files = " ".join(("pyproject.toml", "infra/constraints.txt", "infra/setup.sh"))
    stamp = subprocess.run(
        ["bash", "-c", f'printf %s "$(cat {files} | sha256sum)"'], cwd=ROOT, capture_output=True, text=True
    )
    (tmp_path / ".facscale-stamp").write_text(stamp.stdout)
    done = setup(str(tmp_path), "train", TORCH_BUILD="cpu")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == [".facscale-stamp"]


@pytest.mark.parametrize(
    ("words", "build", "message"),
    [
        (["only-a-folder"], "auto", "found 1 arguments, wanted none, or FOLDER EXTRAS"),
        (["folder", "train"], "gpu", "TORCH_BUILD=gpu: wanted auto, cpu or cuda"),
    ],
)
def test_wrong_words_are_refused(words, build, message):
    done = setup(*words, TORCH_BUILD=build)
    assert (done.returncode, done.stderr) == (2, f"{message}\n")
