"""Who and what of a set is not read any more: forgotten people, and videos that are copies of others.

<url>/forgotten/<hash>.json     one per person or video; the name is a hash, not the person's or video's name
"""

import hashlib
import json
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from shards import storage
from shards.schema import Manifest, digest_of, identity_hash

FOLDER = "forgotten"
FORMAT_VERSION = 1


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


def put_tombstone(url: str, hashed: str, manifest: Manifest, units: Collection[int]) -> bool:
    """Hide the person or video of this hash, which is in these units; whether it was not forgotten before."""
    return storage.write_if_absent(_name(url, hashed), _content(manifest, units))


def mark_compacted(url: str, hashed: str, manifest: Manifest) -> None:
    """Note that a compacted set holds nothing of this hash."""
    storage.write_bytes(_name(url, hashed), _content(manifest, ()))


def affected_units(url: str, manifest: Manifest, hashes: Collection[str]) -> list[int]:
    """Numbers of the units that may hold one of `hashes`.

    What a tombstone says of units is true of the set that it was put in. In another one, such as a later
    pack to the same url, any unit may hold the person.
    """
    if not hashes:
        return []
    state, affected = _state(manifest), set[int]()
    for hashed in hashes:
        stone = json.loads(storage.read_bytes(_name(url, hashed)))
        known = stone["indexes"] == state
        affected.update(stone["units"] if known else range(len(manifest.indexes)))
    return sorted(affected)


def hidden(
    namespace: str, identities: Sequence[str], videos: Sequence[str], hashes: Collection[str]
) -> NDArray[np.bool_]:
    """Which rows, given by person and video, belong to one of `hashes`."""
    wanted = set(hashes)
    if not wanted:
        return np.zeros(len(identities), np.bool_)
    people = {name for name in set(identities) if person_hash(namespace, name) in wanted}
    copies = {name for name in set(videos) if video_hash(namespace, name) in wanted}
    pairs = zip(identities, videos, strict=True)
    return np.array([person in people or video in copies for person, video in pairs], np.bool_)


def _name(url: str, hashed: str) -> str:
    return storage.join(url, FOLDER, f"{hashed}.json")


def _state(manifest: Manifest) -> str:
    return digest_of([[entry.name, entry.sha256] for entry in manifest.indexes])


def _content(manifest: Manifest, units: Collection[int]) -> bytes:
    facts = {"format_version": FORMAT_VERSION, "indexes": _state(manifest), "units": sorted(units)}
    return (json.dumps(facts, sort_keys=True) + "\n").encode()
