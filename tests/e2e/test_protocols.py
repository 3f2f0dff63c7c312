"""Every protocol on a generated set in its data set's own layout: packed, trained on shortly, scored.

A user changes the paths alone; here the steps are fewer too.
"""

import json
from functools import cache

import pytest

from finetune.protocols.registry import PROTOCOLS
from finetune.train import FinetuneConfig, run
from pretrain.config import load, parse
from shards.pack.pack import PackConfig, pack
from shards.synthetic.generate import GenerateConfig, generate
from tests.e2e.conftest import ROOT

CONFIGS = ROOT / "finetune" / "configs"
SETS = {
    **{"disfa": (27, 2.6, 104), "bp4d": (6, 0.8, 101), "bp4d_plus": (24, 1.0, 103)},
    **{"gft": (18, 3.0, 102), "aff_wild2": (18, 2.0, 106)},
    **{"rafdb": (30, 1.0, 101), "ferplus": (30, 1.0, 101), "affectnet": (40, 1.0, 106)},
}
"""People or pictures, seconds of a video, seed; so small that training just shows all AUs and expressions."""
SHORT = (
    *("aunce.fit.steps=2", "aunce.fit.batch=8", "aunce.linear.epochs=2", "aunce.width=8"),
    *("intensity.fit.steps=2", "intensity.evaluate_every=1", "intensity.labelled_fraction=0.3"),
    *("clef.fit.steps=2", "clef.fit.batch=8", "clef.evaluate_every=1", "clef.width=8"),
    *("supervised.fit.steps=2", "supervised.fit.batch=8", "supervised.evaluate_every=1"),
    *("encoder.image_size=32", "data.stream.threads=0"),
)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """`packed(layout)`: url of a generated set."""

    @cache
    def make(layout):
        folder = tmp_path_factory.mktemp(layout)
        people, seconds, seed = SETS[layout]
        generate(GenerateConfig(folder / "in", layout, people, seconds, seed, size=96, workers=1))
        url = str(folder / "set")
        pack(PackConfig(str(folder / "in"), url, layout, size=32, workers=1, frames_per_sample=16))
        return url

    return make


def job(packed, tmp_path, file, layout, *words):
    """The result of a shipped config on the generated set, as it is stored."""
    words = (f"data.url={packed(layout)}", f"out={tmp_path / 'run'}", *words, *SHORT)
    run(load(FinetuneConfig, parse([str(CONFIGS / f"{file}.yaml"), *words], "")), lambda metrics, step: None)
    return json.loads((tmp_path / "run" / "result.json").read_text())


def test_every_protocol_has_a_config():
    shipped = set()
    for path in CONFIGS.glob("*.yaml"):
        config = load(FinetuneConfig, parse([str(path), "data.url=u", "out=o"], ""))
        assert path.stem == f"{config.task}_{config.protocol.name}"
        shipped.add(config.protocol.name)
    assert shipped | {"affectnet7"} == set(PROTOCOLS)


FULL = pytest.mark.full


def numbered(letters, *numbers):
    return [f"{letters}{number:03d}" for number in numbers]


@pytest.mark.parametrize(
    ("file", "layout", "tested"),
    [
        ("aunce_bp4d", "bp4d", ["F004", "F006"]),
        ("clef_bp4d", "bp4d", ["F004", "F006"]),
        ("intensity_fera2015", "bp4d", ["F002", "F004", "F006"]),
        ("aunce_aff_wild2", "aff_wild2", ["video11", "video15", "video4", "video8"]),
        pytest.param("aunce_disfa", "disfa", numbered("SN", 3, 4, 5, 7, 8, 17, 23, 25, 29), marks=FULL),
        pytest.param(
            "aunce_bp4d_plus", "bp4d_plus", numbered("F", 3, 5, 6, 7, 10, 11, 15, 18, 23), marks=FULL
        ),
        pytest.param("aunce_gft", "gft", ["002A", "002B", "002C"], marks=FULL),
    ],
)
def test_a_protocol_of_people(packed, tmp_path, file, layout, tested):
    result = job(packed, tmp_path, file, layout)
    assert result["people"]["test"] == tested
    assert {result["data"]["layout"]} <= {*PROTOCOLS[result["protocol"]["name"]].layouts}
    assert result["per_person"]["people"] == tested
    first = "icc" if result["kind"] == "intensity" else "f1"
    assert set(result["test"]["honest"][first]["per_au"]) == {f"AU{au}" for au in result["aus"]}
    for group in result["people"]["train"], result["people"]["validation"]:
        assert group
        assert not set(group) & set(tested)


@pytest.mark.full
def test_a_protocol_across_sets(packed, tmp_path):
    other = packed("bp4d_plus")
    result = job(packed, tmp_path, "aunce_bp4d_to_bp4d_plus", "bp4d", f"data.test_url={other}")
    assert result["people"]["test"] == numbered("F", *range(1, 25))
    training = result["people"]["train"] + result["people"]["validation"]
    assert sorted(training) == numbered("F", *range(1, 7))
    assert result["per_person"]["people"] == result["people"]["test"]
    assert result["data"]["test_digest"] != result["data"]["digest"]


@pytest.mark.parametrize(
    ("file", "layout", "test_pattern", "words"),
    [
        ("supervised_rafdb", "rafdb", "test_", ()),
        ("clef_rafdb", "rafdb", "test_", ()),
        pytest.param("supervised_ferplus", "ferplus", "FER2013Test/", (), marks=FULL),
        pytest.param("supervised_affectnet", "affectnet", "validation/", (), marks=FULL),
        pytest.param(
            "supervised_affectnet", "affectnet", "validation/", ("protocol.name=affectnet7",), marks=FULL
        ),
    ],
)
def test_a_protocol_of_pictures(packed, tmp_path, file, layout, test_pattern, words):
    result = job(packed, tmp_path, file, layout, *words)
    assert result["people"]["test"]
    assert all(name.startswith(test_pattern) for name in result["people"]["test"])
    assert not any(name.startswith(test_pattern) for name in result["people"]["train"])
    classes = PROTOCOLS[result["protocol"]["name"]].expression
    assert result["expressions"] == list(classes)
    assert set(result["test"]["honest"]["uar"]["per_expression"]) == set(classes)
    assert 0 <= result["test"]["honest"]["uar"]["mean"] <= 1
    assert result["per_person"]["people"] == sorted(result["people"]["test"])
