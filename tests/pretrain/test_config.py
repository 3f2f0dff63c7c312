"""Configs: layers merge in order, mistakes are named with their full path, and what is written loads back."""

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from pretrain.config import MISSING, ConfigError, Request, dump, from_dict, load, parse, to_dict
from pretrain.recipe import PretrainConfig


class Colour(Enum):
    RED = "r"
    BLUE = "b"


@dataclass(frozen=True)
class Inner:
    steps: int = 10
    rate: float = 0.5
    kind: Literal["one", "two"] = "one"
    colour: Colour = Colour.RED
    pair: tuple[int, int] = (1, 2)
    slots: int | None = None
    folder: Path = Path("there")

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"inner.steps must be at least 1, found {self.steps}")


@dataclass(frozen=True)
class Outer:
    url: str = MISSING
    run: str = MISSING
    inner: Inner = field(default_factory=Inner)
    free: dict[str, Any] = field(default_factory=dict)


def request(*overrides: str, files: tuple[Path, ...] = ()) -> Request:
    return Request(files, ("url=a", "run=b", *overrides), print_only=False)


def yaml(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_layers_merge_left_to_right_then_the_words(tmp_path):
    files = (
        yaml(tmp_path, "first.yaml", "inner: {steps: 1, rate: 1.0, kind: two}\nurl: first\n"),
        yaml(tmp_path, "empty.yaml", ""),
        yaml(tmp_path, "second.yaml", "inner: {steps: 2, slots: 7}\nrun: second\n"),
    )
    config = load(Outer, Request(files, ("inner.steps=3", "inner.pair=[4,5]", "inner.steps=4"), False))
    assert config == Outer("first", "second", Inner(4, 1.0, "two", Colour.RED, (4, 5), 7))
    swapped = load(Outer, Request(files[::-1], (), False))
    assert swapped.inner.steps == 1


def test_values_become_the_types_that_were_declared():
    words = ("inner.rate=1e-4", "inner.colour=BLUE", "inner.folder=x/y", "inner.slots=null", "free.a.b=[1,x]")
    config = load(Outer, request(*words))
    assert config.inner == Inner(rate=1e-4, colour=Colour.BLUE, folder=Path("x/y"))
    assert isinstance(config.inner.pair, tuple)
    assert config.free == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "inner.stesp=3",
            r"Key 'stesp' not in.*Did you mean one of: 'steps'(?s:.)*full_key: inner.stesp",
        ),
        ("iner.steps=3", r"Key 'iner' not in 'Outer'. Did you mean: 'inner'"),
        ("inner.steps=many", r"'many' of type 'str' could not be converted to Integer(?s:.)*inner.steps"),
        ("inner.steps=1.5", r"'1.5' of type 'float' could not be converted to Integer(?s:.)*inner.steps"),
        ("inner.steps=null", r"'None' for field of type 'int'(?s:.)*inner.steps"),
        ("inner.kind=three", r"'three', expected one of \['one', 'two'\](?s:.)*inner.kind"),
        ("inner.colour=GREEN", r"'GREEN', expected one of \[RED, BLUE\](?s:.)*inner.colour"),
        ("inner.pair=[1]", r"length 1 does not match type hint length 2"),
        ("inner=3", r"int is not a subclass of Inner"),
        ("inner.steps=0", r"^inner.steps must be at least 1, found 0$"),
        ("url=${oc.env:FACSCALE_NOT_SET}", r"'FACSCALE_NOT_SET' not found(?s:.)*full_key: url"),
    ],
)
def test_a_wrong_word_is_explained(word, message):
    with pytest.raises(ConfigError, match=message):
        load(Outer, request(word))


def test_a_wrong_key_in_a_file_is_explained(tmp_path):
    path = yaml(tmp_path, "a.yaml", "inner:\n  rat: 3\n")
    with pytest.raises(ConfigError, match=r"Did you mean: 'rate'(?s:.)*full_key: inner.rat"):
        load(Outer, request(files=(path,)))


def test_missing_values_are_all_named():
    with pytest.raises(ConfigError, match=r"no value for run, url; give each as key=value or in the YAML"):
        load(Outer, Request((), (), False))
    with pytest.raises(ConfigError, match=r"no value for data.url; give"):
        load(PretrainConfig, Request((), ("run.url=x",), False))


def test_the_environment_is_read_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("FACSCALE_TEST_URL", "s3://somewhere")
    assert load(Outer, request("url=${oc.env:FACSCALE_TEST_URL}")).url == "s3://somewhere"


CHANGED = (
    "encoder.model_type=vit",
    "encoder.settings.hidden_size=48",
    "encoder.settings.num_attention_heads=3",
    "clp.gap_seconds=[0.2,0.4]",
    "clp.reconstruction=nce",
    "clp.memory_slots=64",
)
pretrain_configs = pytest.mark.parametrize("words", [(), CHANGED], ids=["defaults", "changed"])


def pretrain_config(words: tuple[str, ...]) -> PretrainConfig:
    return load(PretrainConfig, Request((), ("data.url=s3://bucket/set", "run.url=/there", *words), False))


@pretrain_configs
def test_what_is_stored_as_json_loads_back(words):
    config = pretrain_config(words)
    loaded = from_dict(PretrainConfig, json.loads(json.dumps(to_dict(config))))
    assert loaded == config
    assert isinstance(loaded.clp.gap_seconds, tuple)


@pretrain_configs
def test_what_is_printed_loads_back(words, tmp_path):
    config = pretrain_config(words)
    path = yaml(tmp_path, "printed.yaml", dump(config))
    assert load(PretrainConfig, Request((path,), (), False)) == config


def test_plain_containers_of_every_kind_of_value():
    assert to_dict(Outer("a", "b", Inner(), {"x": [1, (2, 3)]})) == {
        "url": "a",
        "run": "b",
        "inner": {
            "steps": 10,
            "rate": 0.5,
            "kind": "one",
            "colour": "RED",
            "pair": [1, 2],
            "slots": None,
            "folder": "there",
        },
        "free": {"x": [1, [2, 3]]},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"url": "a", "run": "b", "inner": {"step": 3}}, r"Did you mean: 'steps'"),
        ({"url": "a"}, r"no value for run;"),
        ({"url": "a", "run": "b", "inner": {"steps": 0}}, r"inner.steps must be at least 1"),
    ],
)
def test_a_stored_config_is_checked_as_strictly(content, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, content)


def test_a_command_line_is_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yaml(tmp_path, "a.yaml", "")
    yaml(tmp_path, "b.yml", "")
    found = parse(["a.yaml", "x.y=1", "--print", "b.yml", "z=a=b"], "usage")
    assert found == Request((Path("a.yaml"), Path("b.yml")), ("x.y=1", "z=a=b"), True)
    assert parse([], "usage") == Request((), (), False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.yaml"], r"no config file 'nothing.yaml' here \("),
        (["config.json"], r"'config.json' is neither a .yaml file, a key=value nor --print\n\nHOW TO$"),
        (["--steps=3"], r"'--steps=3' is neither"),
        (["--print", "oops"], r"'oops' is neither"),
    ],
)
def test_other_words_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        parse(words, "HOW TO\n")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_prints_the_usage_and_succeeds(word, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(["a=1", word], "\nHOW TO\n")
    assert caught.value.code == 0
    assert capsys.readouterr().out == "HOW TO\n"
