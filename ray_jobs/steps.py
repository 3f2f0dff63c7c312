"""The kinds of steps of a pipeline: which job each is, what it reads, and when its result stands.

A step's identity is a digest of its job's resolved config, without what says where things lie and what they
run on, and of the content of all that it reads. Its result is kept at a place named by the identity, so that
another config never meets it, and a job that was interrupted goes on there.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.initial import RANDOM
from finetune.results import RESULT_NAME
from pretrain.config import to_dict
from pretrain.models.exported import FACTS_NAME
from ray_jobs import finetune_job, pack_job, pretrain_job
from ray_jobs.finetune_worker import FinetuneJob
from ray_jobs.inputs import sha256_of
from ray_jobs.pack_cluster import PackJob
from ray_jobs.pretrain_worker import PretrainJob
from shards import storage
from shards.index import read_manifest
from shards.schema import MANIFEST_NAME, digest_of

SHORT = 12
"""Digits of an identity in the name of its place."""
ENCODER = "encoder"


@dataclass(frozen=True)
class Kind:
    """One kind of step."""

    schema: type[Any]
    """Of the job's config."""
    main: Callable[[list[str]], None]
    """The job's own command."""
    place: tuple[str, ...]
    """Keys that lead to where the job keeps its result."""
    done: str
    """File that is there once the result stands."""
    output: str
    """What other steps read of it, below its place."""
    elsewhere: tuple[str, ...]
    """Keys that change nothing of the result."""
    reads: Callable[[Any], dict[str, str]]
    """Digests of a job's inputs, by name."""


def _pack_reads(job: PackJob) -> dict[str, str]:
    """Names, sizes and times or ETags: what a packer, too, takes for the content of videos."""
    if storage.is_s3(job.source):
        listing = [[file.name, file.bytes, file.etag] for file in storage.list_files(job.source)]
    else:
        root = Path(job.source.removeprefix("file://"))
        files = sorted(path for path in root.rglob("*") if path.is_file())
        facts = [(path.relative_to(root).as_posix(), path.stat()) for path in files]
        listing = [[name, stat.st_size, str(stat.st_mtime_ns)] for name, stat in facts]
    return {"source": digest_of(listing)}


def _pretrain_reads(job: PretrainJob) -> dict[str, str]:
    urls = {"data": job.data.url, **{f"also.{n}": other.url for n, other in enumerate(job.data.also)}}
    if job.probe is not None:
        urls["probe"] = job.probe.url
    return {name: read_manifest(url).digest for name, url in urls.items()}


def _finetune_reads(job: FinetuneJob) -> dict[str, str]:
    urls = {"data": job.data.url} | ({"test": job.data.test_url} if job.data.test_url else {})
    found = {name: read_manifest(url).digest for name, url in urls.items()}
    if job.init != RANDOM:
        names = [name for name in storage.list_names(job.init) if name.endswith(".safetensors")]
        found |= {f"init/{name}": sha256_of(storage.join(job.init, name)) for name in names}
    return found


KINDS = {
    "pack": Kind(
        schema=PackJob,
        main=pack_job.main,
        place=("url",),
        done=MANIFEST_NAME,
        output="",
        elsewhere=("source", "url", "workers", "spool", "cluster", "stall_seconds", "memory_bytes"),
        reads=_pack_reads,
    ),
    "pretrain": Kind(
        schema=PretrainJob,
        main=pretrain_job.main,
        place=("run", "url"),
        done=f"{ENCODER}/{FACTS_NAME}",
        output=ENCODER,
        elsewhere=("data.url", "data.stream", "run.url", "cluster", "tracking", "expected", "probe.url"),
        reads=_pretrain_reads,
    ),
    "finetune": Kind(
        schema=FinetuneJob,
        main=finetune_job.main,
        place=("url",),
        done=RESULT_NAME,
        output="",
        elsewhere=("data.url", "data.test_url", "data.stream", "init", "url", "out", "cluster", "tracking"),
        reads=_finetune_reads,
    ),
}


def identity_facts(kind: str, job: Any) -> dict[str, Any]:
    """What a step's identity is the digest of.

    Raises:
        ShardError: an input cannot be read.
    """
    config = to_dict(job)
    for key in KINDS[kind].elsewhere:
        *sections, last = key.split(".")
        found: Any = config
        for section in sections:
            found = found and found.get(section)
        if found:
            found.pop(last, None)
    for other in config.get("data", {}).get("also", []):
        other.pop("url")
    return {"kind": kind, "config": config, "reads": KINDS[kind].reads(job)}


def place_of(content: dict[str, Any], kind: str) -> tuple[dict[str, Any], str]:
    """The section of a job's config, and the key in it, that say where the result is kept."""
    *sections, last = KINDS[kind].place
    for section in sections:
        content = content.setdefault(section, {})
    return content, last


def stands(kind: str, url: str, record: str, facts: Mapping[str, Any]) -> bool:
    """Whether the result at `url` is finished and was made from equal facts."""
    if not storage.exists(record) or not storage.exists(storage.join(url, KINDS[kind].done)):
        return False
    return bool(json.loads(storage.read_bytes(record))["identity"] == digest_of(facts))
