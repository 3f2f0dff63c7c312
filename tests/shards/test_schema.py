"""The on-disk contract: what does not fit is refused by name, what was written reads back."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest

from shards.errors import ShardError
from shards.schema import (
    CropRecipe,
    FileEntry,
    Manifest,
    Member,
    SampleRow,
    Totals,
    digest_of,
    failures_name,
    index_name,
    shard_name,
)

RECIPE = CropRecipe("drawn", 1, 32, "none", "1", "0" * 64, "cpu", 320, [[0.5, 0.5]] * 5, 1, 95, "420")
FILE = FileEntry("shards/u0-000.tar", 1, 10, "a" * 64)


def row(**changes) -> SampleRow:
    given = {
        "key": "a-000-000",
        "shard": "shards/u0-000.tar",
        "identity": "p",
        "video": "v",
        "track": 0,
        "piece": 0,
        "next_key": None,
        "activity": None,
        "expression": None,
        "num_frames": 2,
        "time_seconds": [0.0, 0.04],
        "frame_number": [1, 2],
        "frame_offset": [512, 600],
        "frame_length": [88, 90],
        "frame_crc32": [1, 2],
        "members": [Member("a-000-000.mjpeg", 512, 178, 3), Member("a-000-000.intensity.npy", 1024, 9, 4)],
        "has_occurrence": False,
        "has_intensity": True,
        "look": bytes(32),
    }
    return SampleRow(**{**given, **changes})


def manifest(**changes) -> Manifest:
    given = {
        "namespace": "drawn",
        "layout": "folder",
        "recipe": RECIPE,
        "versions": {"packer": "1"},
        "cpus": [],
        "occurrence_aus": [1, 12],
        "intensity_aus": [],
        "expressions": [],
        "totals": Totals(1, 2, 1, 1, 1, 0.08, {"no_face": 1}),
        "shards": [FILE],
        "indexes": [replace(FILE, name="index/u0.parquet")],
        "failures": [replace(FILE, name="failures/u0.jsonl")],
        "reach": replace(FILE, name="reach/0.parquet"),
    }
    return Manifest(**{**given, **changes})


def test_files_of_a_unit_have_fixed_names():
    assert shard_name("u0", 7) == "shards/u0-007.tar"
    assert index_name("u0") == "index/u0.parquet"
    assert failures_name("u0") == "failures/u0.jsonl"


def test_digests_do_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1, "b": [2]}) != digest_of({"a": 1, "b": [3]})
    # Stored in manifests, models and checkpoints: it may never change.
    canonical = rb'{"a":[1,null,"\u00e4"],"b":0.5}'
    assert digest_of({"b": 0.5, "a": [1, None, "\u00e4"]}) == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize("key", ["", "UPPER", "a.b", "a/b", "x" * 81, "a b", "\u00e4", "a\n"])
def test_keys_outside_the_grammar_are_refused(key):
    with pytest.raises(ShardError, match=r"sample key .* does not match"):
        row(key=key)


@pytest.mark.parametrize("key", ["a", "0_-z", "x" * 80])
def test_keys_of_the_grammar_are_taken(key):
    assert row(key=key).key == key


@pytest.mark.parametrize(
    "name", ["time_seconds", "frame_number", "frame_offset", "frame_length", "frame_crc32"]
)
def test_a_column_of_another_length_is_refused(name):
    with pytest.raises(ShardError, match=rf"index row a-000-000: {name} has 1 entries, .* each of its 2 fr"):
        row(**{name: [1]})


def test_a_member_is_found_by_its_ending():
    assert row().member("mjpeg").offset == 512
    with pytest.raises(ShardError, match=r"a-000-000 has no member 'json'; it has \['a-000-000.mjpeg'"):
        row().member("json")


def test_a_manifest_reads_back_with_the_same_digest():
    written = manifest()
    read = Manifest.from_json(written.to_json(), "here")
    assert read == written
    assert read.digest == written.digest
    assert read.recipe_digest == RECIPE.digest == digest_of(asdict(RECIPE))


def test_every_field_is_in_the_manifests_digest():
    changes = {
        "namespace": "x",
        "versions": {},
        "occurrence_aus": [1],
        "shards": [replace(FILE, sha256="b" * 64)],
        "recipe": replace(RECIPE, size=33),
    }
    digests = [manifest(**{name: value}).digest for name, value in changes.items()]
    assert len({manifest().digest, *digests}) == len(changes) + 1


def test_an_altered_recipe_is_refused():
    content = json.loads(manifest().to_json())
    content["recipe"]["size"] = 64
    with pytest.raises(ShardError, match=r"does not belong to its crop recipe .*; the manifest was altered"):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda content: content.update(format_version=1),
            r"version 1, this program reads 4; use",
        ),
        (lambda content: content.pop("format_version"), r"here is not a facscale manifest \(KeyError"),
        (lambda content: content.pop("shards"), r"here lacks or adds a field: 'shards'; pack the set again"),
        (lambda content: content.update(extra=1), r"here lacks or adds a field: .*extra"),
        (lambda content: content["totals"].pop("frames"), r"here lacks or adds a field: .*frames"),
    ],
)
def test_other_content_is_refused_by_name(change, message):
    content = json.loads(manifest().to_json())
    change(content)
    with pytest.raises(ShardError, match=message):
        Manifest.from_json(json.dumps(content), "here")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(ShardError, match=r"^here is not a facscale manifest"):
        Manifest.from_json(text, "here")
