"""A place has one run: what decides the result is in its identity, and what does not may change."""

import json
from dataclasses import replace

import pytest

from pretrain.config import ConfigError
from pretrain.engine import EngineConfig
from pretrain.identity import read_identity, settle_content, settle_identity
from shards import storage
from shards.errors import ManifestMismatchError
from tests.drawn_set import write_set
from tests.pretrain.tiny_runs import config_of, easy_set


@pytest.fixture(scope="module")
def set_url(tmp_path_factory) -> str:
    return easy_set(tmp_path_factory.mktemp("drawn"))


def test_another_run_is_refused_before_there_is_a_checkpoint(set_url, any_url, tmp_path):
    config = config_of(set_url, any_url)
    digest = settle_identity(config)
    assert storage.list_names(any_url) == ["identity.json"]
    assert settle_identity(config) == digest
    with pytest.raises(ConfigError, match=r"run with other settings.*run.steps: 60 -> 61"):
        settle_identity(config_of(set_url, any_url, steps=61))
    with pytest.raises(ManifestMismatchError, match="seed"):
        settle_identity(config_of(set_url, any_url, seed=5))
    write_set(str(tmp_path / "other"), tmp_path / "tars", people=8, samples_per_person=2, frames=63)
    with pytest.raises(ManifestMismatchError):
        settle_identity(config_of(str(tmp_path / "other"), any_url))
    assert json.loads(storage.read_bytes(f"{any_url}/identity.json"))["digest"] == digest


def test_where_a_run_is_and_how_it_is_trained_is_no_part_of_it(set_url, tmp_path):
    digests = set()
    for number, engine in enumerate((EngineConfig(), EngineConfig("ddp"), EngineConfig(zero_stage=2))):
        config = replace(config_of(set_url, str(tmp_path / f"run{number}")), engine=engine)
        digests.add(settle_identity(config))
    assert len(digests) == 1
    other = settle_identity(config_of(set_url, str(tmp_path / "other"), steps=61))
    assert other not in digests
    assert read_identity(str(tmp_path / "nothing")) is None


def test_any_job_has_an_identity(any_url):
    content = {"task": "aunce", "data": {"url": "a"}, "sizes": (1, 2)}
    digest = settle_content(any_url, "url", content)
    assert settle_content(any_url, "url", content) == digest
    with pytest.raises(ConfigError, match=r"give another url: data.url: 'a' -> 'b'; seed: None -> 1$"):
        settle_content(any_url, "url", {**content, "data": {"url": "b"}, "seed": 1})
