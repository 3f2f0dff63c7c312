"""Who and what of a set is not read any more: forgotten people, and videos that are copies of others.

<url>/forgotten/<hash>.json     one per person or video; the name is a hash, not the person's or video's name
"""

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from shards import storage
from shards.schema import identity_hash

FOLDER = "forgotten"
CONTENT = b'{"format_version": 1}\n'


def person_hash(namespace: str, identity: str) -> str:
    """A person's hash as tombstones and runs name it: 16 hexadecimal digits."""
    return f"{identity_hash(namespace, identity):016x}"


def video_hash(namespace: str, video: str) -> str:
    """A video's hash, in the same form; never that of a person of the same name."""
    return hashlib.blake2b(f"{namespace}/{video}".encode(), digest_size=8, person=b"video").hexdigest()


def tombstones(url: str) -> tuple[str, ...]:
    """Hashes of all forgotten people and videos, sorted."""
    names = storage.list_names(storage.join(url, FOLDER))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def put_tombstone(url: str, hashed: str) -> bool:
    """Whether the person or video of this hash was not forgotten before."""
    return storage.write_if_absent(storage.join(url, FOLDER, f"{hashed}.json"), CONTENT)


def hidden(
    namespace: str, identities: Sequence[str], videos: Sequence[str], hashes: Collection[str]
) -> NDArray[np.bool_]:
    """Which rows, given by person and video, belong to one of `hashes`."""
    wanted = set(hashes)
    people = {name for name in set(identities) if person_hash(namespace, name) in wanted}
    copies = {name for name in set(videos) if video_hash(namespace, name) in wanted}
    pairs = zip(identities, videos, strict=True)
    return np.array([person in people or video in copies for person, video in pairs], np.bool_)
