"""A step's identity is of what makes its result: config and data, not places."""

import copy
import os
import shutil

import pytest

from pretrain.config import from_dict, to_dict
from ray_jobs.finetune_worker import FinetuneJob
from ray_jobs.pack_cluster import PackJob
from ray_jobs.pretrain_worker import PretrainJob
from ray_jobs.steps import KINDS, identity_facts
from shards.schema import digest_of
from tests.drawn_set import write_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two equal sets, and another one."""
    root = tmp_path_factory.mktemp("sets")
    write_set(str(root / "a"), root / "tars", labelled=True)
    shutil.copytree(root / "a", root / "same")
    write_set(str(root / "other"), root / "tars2", people=7, labelled=True)
    return root


def identity(kind, content):
    return digest_of(identity_facts(kind, from_dict(KINDS[kind].schema, content)))


def changed(content, key, value):
    *sections, last = key.split(".")
    copied = copy.deepcopy(content)
    place = copied
    for section in sections:
        place = place[section]
    place[last] = value
    return copied


def check(kind, content, same, other):
    first = identity(kind, content)
    for key, value in same.items():
        assert identity(kind, changed(content, key, value)) == first, key
    for key, value in other.items():
        assert identity(kind, changed(content, key, value)) != first, key


def test_of_pretraining(sets):
    content = to_dict(
        from_dict(
            PretrainJob,
            {
                "data": {"url": str(sets / "a")},
                "run": {"url": "u"},
                "tracking": {"uri": "t"},
                "probe": {"url": str(sets / "a"), "every": 100},
            },
        )
    )
    same = {"data.url": str(sets / "same"), "probe.url": str(sets / "same"), "run.url": "v"}
    same |= {"cluster.workers": 8, "tracking.name": "n", "data.stream.threads": 3}
    other = {"data.url": str(sets / "other"), "probe.url": str(sets / "other")}
    other |= {"run.steps": 3, "encoder.image_size": 32, "clp.num_frames": 6}
    check("pretrain", content, same, other)


def test_of_finetuning(sets, tmp_path):
    for name, weights in {"e": b"1", "copy": b"1", "trained": b"2"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(weights)
    content = to_dict(
        from_dict(
            FinetuneJob,
            {
                "task": "aunce",
                "url": "u",
                "tracking": {"uri": "t"},
                "data": {"url": str(sets / "a")},
                "init": str(tmp_path / "e"),
            },
        )
    )
    same = {"data.url": str(sets / "same"), "url": "v", "init": str(tmp_path / "copy"), "cluster.gpus": 1}
    other = {
        "data.url": str(sets / "other"),
        "init": str(tmp_path / "trained"),
        "seed": 1,
        "register.name": "m",
    }
    check("finetune", content, same, other)


def test_of_packing(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.mp4").write_bytes(b"a")
    content = to_dict(from_dict(PackJob, {"source": str(tmp_path / "v"), "url": "u", "layout": "folder"}))
    check("pack", content, {"url": "v", "cluster.detectors": 2}, {"size": 96, "layout": "voxceleb"})
    before = identity("pack", content)
    os.utime(tmp_path / "v" / "a.mp4", (1, 1))
    assert identity("pack", content) != before
