"""Parts of a checkpoint: plain safetensors, read by ranges, each block checked."""

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pretrain import checkpoint_files
from pretrain.checkpoint_files import (
    DTYPES,
    FORMAT,
    MARKER,
    Copy,
    HostPart,
    Part,
    lay_out,
    read_marker,
    reads_of,
)
from pretrain.engines.fragment import Fragment
from pretrain.errors import CheckpointError

BLOCK = 64


def fragments(seed: int) -> list[Fragment]:
    """Of every dtype, with odd sizes, none and one of no values, in mixed order of kinds."""
    made = torch.Generator().manual_seed(seed)
    found = []
    for number, dtype in enumerate(DTYPES.values()):
        for kind in ("weights", "exp_avg"):
            shape = ((3, 5), (), (0,), (17,))[number % 4]
            values = (torch.rand(shape, generator=made) * 100).to(dtype)
            found.append(Fragment(kind, f"a/{dtype}", shape, 0, values))
    return found


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(checkpoint_files, "READ_BYTES", 4 * BLOCK)


@pytest.fixture
def part(small_blocks: None, tmp_path: Path) -> Part:
    held = HostPart()
    held.take([Fragment("weights", "w", (1001,), 0, torch.arange(1001.0))])
    return Part.from_json(json.loads(json.dumps(held.write(str(tmp_path), "part").to_json())))


def test_a_part_is_a_safetensors_file(tmp_path):
    held, wanted = HostPart(), fragments(1)
    held.take(wanted)
    part = held.write(str(tmp_path), "part")
    assert (tmp_path / "part").stat().st_size == part.bytes
    with safe_open(tmp_path / "part", framework="pt") as opened:
        assert set(opened.keys()) == {f"{one.kind}/{one.name}" for one in wanted}
        for one in wanted:
            found = opened.get_tensor(f"{one.kind}/{one.name}")
            assert found.dtype == one.values.dtype
            assert torch.equal(found, one.values.flatten()), one.name


def test_values_are_aligned_without_gaps_and_kinds_lie_together():
    header, slices, size = lay_out(fragments(1))
    assert len(header) % 8 == 0
    reached = len(header)
    for place in slices:
        itemsize = DTYPES[place.dtype].itemsize
        assert (place.offset, place.offset % itemsize) == (reached, 0)
        reached += place.numel * itemsize
    assert reached == size
    floats = [place.kind for place in slices if place.dtype in ("F32", "I32")]
    assert floats == ["weights", "weights", "exp_avg", "exp_avg"]


def test_the_same_memory_serves_every_save(tmp_path):
    held = HostPart()
    held.take(fragments(1))
    first, memory = held.write(str(tmp_path), "first"), held._memory
    held.take(fragments(2))
    second = held.write(str(tmp_path), "second")
    assert held._memory is memory
    assert first.slices == second.slices
    assert first.blocks != second.blocks
    assert (tmp_path / "first").read_bytes() != (tmp_path / "second").read_bytes()
    held.take(fragments(1)[:3])  # another layout
    assert held.write(str(tmp_path), "third").bytes == (tmp_path / "third").stat().st_size < first.bytes


def test_any_ranges_are_read_by_the_blocks_that_have_them(part, tmp_path):
    drawn, [place] = random.Random(0), part.slices
    for _ in range(200):
        values = torch.full((place.numel,), -1.0)
        copies, wanted, blocks = [], torch.full((place.numel,), -1.0), set()
        for _ in range(drawn.randrange(5)):
            first = drawn.randrange(place.numel)
            last = drawn.randrange(first, place.numel + 1)
            copies.append(Copy(place.offset + 4 * first, values[first:last], "F32"))
            wanted[first:last] = torch.arange(first, last)
            ends = (place.offset + 4 * first, place.offset + 4 * last)
            blocks |= {byte // BLOCK for byte in range(*ends)}
        reads = list(reads_of(part, copies))
        for read in reads:
            assert read.length <= 4 * BLOCK
            read.copy_from(read.fetch(str(tmp_path)))
        assert torch.equal(values, wanted)
        found = [
            b for read in reads for b in range(read.start // BLOCK, -(-(read.start + read.length) // BLOCK))
        ]
        assert found == sorted(blocks)


def test_an_altered_byte_is_found_where_it_is_read_and_named(part, tmp_path):
    data = bytearray((tmp_path / "part").read_bytes())
    [place] = part.slices
    changed = place.offset + 4 * 500
    data[changed] ^= 1
    (tmp_path / "part").write_bytes(data)
    values = torch.zeros(place.numel)
    [read] = reads_of(part, [Copy(place.offset, values[:10], "F32")])
    read.fetch(str(tmp_path))
    [read] = reads_of(part, [Copy(changed, values[:1], "F32")])
    first = changed // BLOCK * BLOCK
    with pytest.raises(
        CheckpointError,
        match=rf"part is not what was committed \(sha256 of bytes {first} to {first + BLOCK - 1} .*; delete",
    ):
        read.fetch(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"facts": {}, "parts": []}',
            "has format 1, and this version reads 2; go on with the version that",
        ),
        (b'{"format": 9}', "has format 9, and this version reads 2"),
        (b'{"format": 2, "fac', "COMMITTED.json is no JSON .*; delete"),
    ],
)
def test_a_marker_of_another_version_is_refused(content, message, tmp_path):
    (tmp_path / MARKER).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_marker(str(tmp_path))
    assert FORMAT == 2
