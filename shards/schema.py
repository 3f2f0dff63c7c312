"""The on-disk contract of a shard set: names, members, index columns and manifest.

    <url>/manifest.json           what the set is, which files it has and their digests
    <url>/shards/<unit>-000.tar   plain USTAR; a sample is a piece of one face track
    <url>/index/<unit>.parquet    one row per sample: where its bytes are and what it shows
    <url>/reach/<digest>.parquet  how many samples of each unit can hold which clips
    <url>/failures/<unit>.jsonl   one line per source or track that gave nothing, and why

A sample's members, in this order:

    <key>.mjpeg            its frames, concatenated JPEG files
    <key>.json             the index row's facts, detector scores, landmarks, quality, the expression if known
    <key>.occurrence.npy   int8 (frames, AUs), 0 / 1 / -1 = not coded       where labelled
    <key>.intensity.npy    int8 (frames, AUs), 0-5 / -1 = not coded         where labelled

Everything here is plain Python: no torch, no file access.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from shards.errors import ShardError

FORMAT_VERSION = 4
MANIFEST_NAME = "manifest.json"
JOB_NAME = "pack.json"
"""What a pack was asked to do, beside the set."""
SET_FOLDERS = ("shards/", "index/", "reach/", "failures/")
"""Whose files the manifest pins."""
KEY_PATTERN = re.compile(r"[a-z0-9_-]{1,80}")
UNIT_PATTERN = re.compile(r"[a-z0-9-]{1,40}")
MISSING = -1
"""An AU that nobody coded in this frame, in both label members."""

FRAMES_MEMBER = "mjpeg"
FACTS_MEMBER = "json"
OCCURRENCE_MEMBER = "occurrence.npy"
INTENSITY_MEMBER = "intensity.npy"
EXPRESSION_FACT = "expression"
"""Key in `<key>.json`: the name of the expression that the whole sample shows; only where the set says it."""
QUALITY_FACT = "quality"
"""Key in `<key>.json`: medians over the sample's frames of what packing's gates judge, by name."""


def shard_name(unit: str, number: int) -> str:
    return f"shards/{unit}-{number:03d}.tar"


def index_name(unit: str) -> str:
    return f"index/{unit}.parquet"


def failures_name(unit: str) -> str:
    return f"failures/{unit}.jsonl"


def reach_name(sha256: str) -> str:
    """Named by its content: a compaction that is killed must not have replaced it."""
    return f"reach/{sha256[:16]}.parquet"


def digest_of(content: Any) -> str:
    """sha256 of a JSON-able value in its canonical form (sorted keys, no spaces)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def identity_hash(namespace: str, identity: str) -> int:
    """63-bit hash of a person: sets with different namespaces never share people by accident."""
    digest = hashlib.blake2b(f"{namespace}/{identity}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True)
class Member:
    """Where one tar member's payload lies in its shard."""

    name: str
    offset: int
    length: int
    crc32: int


@dataclass(frozen=True)
class SampleRow:
    """One row of the index: a piece of one face track.

    The per-frame lists have `num_frames` entries. `frame_offset` counts from the start of the shard, so
    that one ranged read fetches one frame and `frame_crc32` verifies it. `frame_number` is the frame's
    number in its source as the layout counts (what labels are joined on).
    """

    key: str
    shard: str
    identity: str
    video: str
    track: int
    piece: int
    next_key: str | None
    activity: str | None
    expression: str | None
    """What the whole sample shows; None where the set does not say."""
    num_frames: int
    time_seconds: list[float]
    frame_number: list[int]
    frame_offset: list[int]
    frame_length: list[int]
    frame_crc32: list[int]
    members: list[Member]
    has_occurrence: bool
    has_intensity: bool
    look: bytes
    """Of the first frame: 256 bits by which copies are found (`shards.look`)."""

    def __post_init__(self) -> None:
        if not KEY_PATTERN.fullmatch(self.key):
            raise ShardError(f"sample key {self.key!r} does not match {KEY_PATTERN.pattern}")
        for name in ("time_seconds", "frame_number", "frame_offset", "frame_length", "frame_crc32"):
            if len(getattr(self, name)) != self.num_frames:
                raise ShardError(
                    f"index row {self.key}: {name} has {len(getattr(self, name))} entries, "
                    f"wanted one for each of its {self.num_frames} frames; pack the set again"
                )

    @property
    def first_seconds(self) -> float:
        return self.time_seconds[0]

    @property
    def last_seconds(self) -> float:
        return self.time_seconds[-1]

    def member(self, name: str) -> Member:
        """The member `<key>.<name>`."""
        for member in self.members:
            if member.name == f"{self.key}.{name}":
                return member
        raise ShardError(f"sample {self.key} has no member {name!r}; it has {[m.name for m in self.members]}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the set as the manifest pins it; `rows` counts samples or lines."""

    name: str
    rows: int
    bytes: int
    sha256: str


ENTRY_FIELDS = {field.name for field in fields(FileEntry)}


@dataclass(frozen=True)
class CropRecipe:
    """How a face became pixels. Its digest travels with shards, encoders and registered models.

    Two crops with different recipes are different inputs: an encoder refuses the other recipe.
    """

    name: str
    """Of what lays the face into the crop: built in, or `package.module:Name`."""
    version: int
    size: int
    detector: str
    """As `name`."""
    detector_version: str
    detector_sha256: str
    detector_device: str
    detector_long_side: int
    """Pixels of the pictures that it searches."""
    template: list[list[float]]
    """Where the 5 landmarks (eyes, nose, mouth corners; subject's right first) land, as shares of `size`."""
    detect_every: int
    jpeg_quality: int
    jpeg_subsampling: str

    @property
    def digest(self) -> str:
        return digest_of(asdict(self))


@dataclass(frozen=True)
class Totals:
    """What a set holds, over all units."""

    samples: int
    frames: int
    tracks: int
    videos: int
    identities: int
    seconds: float
    failures: dict[str, int]


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: the last file written; a set without it is not finished."""

    namespace: str
    layout: str
    recipe: CropRecipe
    versions: dict[str, str]
    cpus: list[str]
    """Instruction sets of the machines that made it."""
    occurrence_aus: list[int]
    intensity_aus: list[int]
    expressions: list[str]
    """That its samples may show, in the layout's order; none where the data set has no such labels."""
    totals: Totals
    shards: list[FileEntry]
    indexes: list[FileEntry]
    failures: list[FileEntry]
    reach: FileEntry
    format_version: int = FORMAT_VERSION
    recipe_digest: str = field(default="")

    def __post_init__(self) -> None:
        if not self.recipe_digest:
            object.__setattr__(self, "recipe_digest", self.recipe.digest)
        if self.recipe_digest != self.recipe.digest:
            raise ShardError(
                f"manifest: recipe digest {self.recipe_digest[:12]} does not belong to its crop recipe "
                f"({self.recipe.digest[:12]}); the manifest was altered, pack the set again"
            )

    @cached_property
    def digest(self) -> str:
        """Identity of the set, sha256 of `manifest.json`: equal digests mean equal samples in equal files."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def files(self) -> list[FileEntry]:
        """All that the set needs."""
        return [*self.shards, *self.indexes, *self.failures, self.reach]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Self:
        """Parse a manifest read from `source`.

        Raises:
            ShardError: not a manifest, or one of another format version.
        """
        try:
            content = json.loads(text, object_hook=_entry)
            version = content["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{source} is not a facscale manifest ({error!r})") from error
        if version != FORMAT_VERSION:
            raise ShardError(
                f"{source} has format version {version}, this program reads {FORMAT_VERSION}; "
                "use the release that wrote it, or pack the set again"
            )
        odd = content.keys() ^ {field.name for field in fields(cls)}
        if odd:
            named = ", ".join(map(repr, sorted(odd)))
            raise ShardError(f"{source} lacks or adds a field: {named}; pack the set again")
        try:
            recipe, totals = CropRecipe(**content["recipe"]), Totals(**content["totals"])
            manifest = cls(**{**content, "recipe": recipe, "totals": totals})
        except (KeyError, TypeError) as error:
            raise ShardError(f"{source} lacks or adds a field: {error}; pack the set again") from error
        for entry in manifest.files:
            if not isinstance(entry, FileEntry):
                raise ShardError(f"{source} lacks or adds a field: {entry} is no file; pack the set again")
        manifest.__dict__["digest"] = hashlib.sha256(text.encode()).hexdigest()  # fills the cached property
        return manifest


def _entry(content: dict[str, Any]) -> Any:
    """A file's entry at once: a large set has hundreds of thousands, too many for dictionaries."""
    return FileEntry(**content) if content.keys() == ENTRY_FIELDS else content


@dataclass(frozen=True)
class Failure:
    """One line of the failure ledger: a source (or one track of it) that gave nothing."""

    source: str
    stage: str
    """`open`, `decode`, `detect`, `track`, `quality` or `label`."""
    reason: str
    """A short fixed name, e.g. `no_face`, `not_a_video`, `too_short`, `too_blurred`."""
    detail: str = ""
    track: int | None = None
    frames: int | None = None
    """That are not in the set for it, where that is known."""
