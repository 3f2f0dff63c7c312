"""Who of a set is forgotten.

<url>/forgotten/<hash>.json     one per person; the name is the person's hash, not the person's name
"""

from shards import storage
from shards.schema import identity_hash

FOLDER = "forgotten"
CONTENT = b'{"format_version": 1}\n'


def person_hash(namespace: str, identity: str) -> str:
    """A person's hash as tombstones and runs name it: 16 hexadecimal digits."""
    return f"{identity_hash(namespace, identity):016x}"


def tombstones(url: str) -> tuple[str, ...]:
    """Hashes of all forgotten people, sorted."""
    names = storage.list_names(storage.join(url, FOLDER))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def put_tombstone(url: str, namespace: str, identity: str) -> bool:
    """Whether the person was not forgotten before."""
    name = f"{person_hash(namespace, identity)}.json"
    return storage.write_if_absent(storage.join(url, FOLDER, name), CONTENT)
