"""The peers' loaders over the same frames, each in its own natural form and in a process of its own.

    PEERS_PYTHON -m tests.benchmarks.streaming.peers '{"side": "webdataset", ...}'

webdataset reads our shards, the others what `convert` writes. All decode a clip's frames by simplejpeg
straight into one array per clip, and hand over uint8 batches by torch's own collation; none shuffles or
augments.
"""

import json
import sys
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, default_collate

from tests.benchmarks.streaming.measure import Ask, answer

CHUNK_BYTES = "64MB"
"""Of litdata's chunks, near to the default of mosaicml-streaming."""


class Clips:
    """Decodes the frames of a sample that belong to its clip."""

    def __init__(self, ask: Ask) -> None:
        self.first: dict[str, int] = json.loads(Path(ask.clips).read_text())
        self.frames, self.pixels = ask.frames, ask.pixels

    def decode(self, key: str, mjpeg: bytes, lengths: Any) -> torch.Tensor:
        first = self.first[key]
        ends = np.cumsum(lengths[: first + self.frames])
        clip_THWC = np.empty((self.frames, self.pixels, self.pixels, 3), np.uint8)
        for slot, end in enumerate(ends[first:].tolist()):
            simplejpeg.decode_jpeg(mjpeg[end - lengths[first + slot] : end], buffer=clip_THWC[slot])
        return torch.from_numpy(clip_THWC)


def _from_tar(clips: Clips, sample: dict[str, Any]) -> tuple[str, torch.Tensor]:
    key = sample["__key__"]
    return key, clips.decode(key, sample["mjpeg"], json.loads(sample["json"])["frame_length"])


def _from_item(clips: Clips, item: dict[str, Any]) -> tuple[str, torch.Tensor]:
    return item["key"], clips.decode(item["key"], item["mjpeg"], np.asarray(item["lengths"]))


def webdataset_batches(ask: Ask) -> Iterator[Any]:
    """WebDataset(shards).map(decode).batched(...), batches made in the workers."""
    import webdataset as wds

    shards = sorted(map(str, Path(ask.source).rglob("*.tar")))
    samples = wds.WebDataset(shards, shardshuffle=False).repeat().map(partial(_from_tar, Clips(ask)))
    batches = samples.batched(ask.batch, collation_fn=default_collate, partial=False)
    return iter(wds.WebLoader(batches, batch_size=None, num_workers=ask.workers))


def litdata_batches(ask: Ask) -> Iterator[Any]:
    import litdata

    dataset = litdata.StreamingDataset(ask.source, transform=partial(_from_item, Clips(ask)))
    loader = litdata.StreamingDataLoader(
        dataset, batch_size=ask.batch, num_workers=ask.workers, persistent_workers=ask.workers > 0
    )
    while True:
        yield from loader


def mosaicml_batches(ask: Ask) -> Iterator[Any]:
    streaming = _streaming()
    clips = Clips(ask)

    class Dataset(streaming.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            return _from_item(clips, super().__getitem__(at))

    dataset = Dataset(local=ask.source, batch_size=ask.batch, shuffle=False)
    loader: Any = DataLoader(dataset, ask.batch, num_workers=ask.workers, persistent_workers=ask.workers > 0)
    while True:
        yield from loader


def convert(side: str, tars: Path, out: Path) -> None:
    """Write the samples of our shards in a peer's format."""
    shards = sorted(map(str, tars.rglob("*.tar")))
    if side == "litdata":
        import litdata

        litdata.optimize(
            items_of,
            shards,
            str(out),
            chunk_bytes=CHUNK_BYTES,
            num_workers=1,
            mode="overwrite",
            verbose=False,
        )
        return
    columns = {"key": "str", "mjpeg": "bytes", "lengths": "ndarray:int64"}
    with _streaming().MDSWriter(out=str(out), columns=columns) as writer:
        for shard in shards:
            for item in items_of(shard):
                writer.write(item)


def items_of(shard: str) -> Iterator[dict[str, Any]]:
    """The samples of a shard, as the other formats store them."""
    import webdataset as wds

    for sample in wds.WebDataset(shard, shardshuffle=False):
        lengths = np.array(json.loads(sample["json"])["frame_length"], np.int64)
        yield {"key": sample["__key__"], "mjpeg": sample["mjpeg"], "lengths": lengths}


def _streaming() -> Any:
    """mosaicml-streaming without its vision data sets: they are not used, and need torchvision."""
    sys.modules["streaming.vision"] = types.ModuleType("streaming.vision")
    import streaming

    return streaming


BATCHES = {"webdataset": webdataset_batches, "litdata": litdata_batches, "mosaicml": mosaicml_batches}


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    if words[0] == "convert":
        convert(words[1], Path(words[2]), Path(words[3]))
        return
    ask = Ask(**json.loads(words[0]))
    clips = len(json.loads(Path(ask.clips).read_text()))
    sys.stdout.write(json.dumps(answer(ask, BATCHES[ask.side](ask), clips)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
