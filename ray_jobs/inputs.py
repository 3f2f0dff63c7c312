"""What an MLflow run was made from and what it made, by digest: dataset inputs and tags."""

import hashlib
import json
from collections.abc import Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.tracking import MlflowClient

from shards import storage
from shards.index import read_manifest

DIGEST_LIMIT = 36
"""Characters that MLflow keeps of a dataset's digest; the tag has all of it."""
READ_BYTES = 64 * 2**20


def log_sets(client: MlflowClient, run_id: str, sets: Mapping[str, str]) -> None:
    """Name the shard sets of a run as its inputs, and their digests as tags `data_digest.CONTEXT`.

    Args:
        client: of the MLflow server.
        run_id: of the run; what it has already is not doubled.
        sets: url of each, by what it is for: training, test, ...

    Raises:
        ShardError: a set cannot be read.
    """
    inputs = []
    for context, url in sets.items():
        manifest = read_manifest(url)
        totals = manifest.totals
        profile = {"people": totals.identities, "videos": totals.videos, "samples": totals.samples}
        dataset = Dataset(
            name=url.rstrip("/").rpartition("/")[2],
            digest=manifest.digest[:DIGEST_LIMIT],
            source_type="s3" if storage.is_s3(url) else "local",
            source=json.dumps({"uri": url}),
            profile=json.dumps({**profile, "frames": totals.frames, "layout": manifest.layout}),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
        client.set_tag(run_id, f"data_digest.{context}", manifest.digest)
    client.log_inputs(run_id, datasets=inputs)


def tag_weights(client: MlflowClient, run_id: str, name: str, url: str) -> None:
    """Keep the sha256 of a weights' file as tag `name` of a run."""
    client.set_tag(run_id, name, sha256_of(url))


def sha256_of(url: str) -> str:
    """Of an object, read a part at a time."""
    digest, total = hashlib.sha256(), storage.size(url)
    for start in range(0, total, READ_BYTES):
        digest.update(storage.read_range(url, start, min(READ_BYTES, total - start)))
    return digest.hexdigest()
