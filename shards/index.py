"""The index of a unit: one parquet row per sample, and a summary of the unit's other files."""

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shards import storage
from shards.errors import ShardError
from shards.look import LOOK_BYTES
from shards.schema import FRAMES_MEMBER, MANIFEST_NAME, FileEntry, Manifest, Member, SampleRow

MEMBER_TYPE = pa.struct(
    [("name", pa.string()), ("offset", pa.int64()), ("length", pa.int64()), ("crc32", pa.int64())]
)
INDEX_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("identity", pa.string(), nullable=False),
        pa.field("video", pa.string(), nullable=False),
        pa.field("track", pa.int32(), nullable=False),
        pa.field("piece", pa.int32(), nullable=False),
        pa.field("next_key", pa.string()),
        pa.field("activity", pa.string()),
        pa.field("expression", pa.string()),
        pa.field("num_frames", pa.int32(), nullable=False),
        pa.field("time_seconds", pa.list_(pa.float64()), nullable=False),
        pa.field("frame_number", pa.list_(pa.int64()), nullable=False),
        pa.field("frame_offset", pa.list_(pa.int64()), nullable=False),
        pa.field("frame_length", pa.list_(pa.int64()), nullable=False),
        pa.field("frame_crc32", pa.list_(pa.int64()), nullable=False),
        pa.field("members", pa.list_(MEMBER_TYPE), nullable=False),
        pa.field("has_occurrence", pa.bool_(), nullable=False),
        pa.field("has_intensity", pa.bool_(), nullable=False),
        pa.field("look", pa.binary(LOOK_BYTES), nullable=False),
    ]
)
SUMMARY_KEY = b"facscale.unit"
ROWS_PER_BATCH = 64
"""Turned into arrays together while a unit is written."""
ROWS_PER_GROUP = 4096
"""Read together: each group costs a read of every column."""


@dataclass(frozen=True)
class UnitSummary:
    """The unit's other files, kept inside its index: one put commits them all."""

    shards: list[FileEntry]
    failures: FileEntry
    cpu: str
    """Instruction sets of the machine that made it."""


class IndexRows:
    """The rows of one unit, in a tenth of the memory that lists of numbers take."""

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._rows: list[SampleRow] = []

    def __len__(self) -> int:
        return sum(len(batch) for batch in self._batches) + len(self._rows)

    def add(self, row: SampleRow) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_BATCH:
            self._close_batch()

    def to_parquet(self, summary: UnitSummary) -> bytes:
        """A parquet file; equal rows give equal bytes for one version of pyarrow."""
        self._close_batch()
        note = {SUMMARY_KEY: json.dumps(asdict(summary), sort_keys=True).encode()}
        schema = INDEX_SCHEMA.with_metadata(note)
        table = pa.Table.from_batches(self._batches, INDEX_SCHEMA).cast(schema).combine_chunks()
        sink = io.BytesIO()
        # Numbers hardly repeat: without dictionaries files are smaller.
        settings = {"compression": "zstd", "version": "2.6", "use_dictionary": False}
        pq.write_table(table, sink, row_group_size=ROWS_PER_GROUP, **settings)
        return sink.getvalue()

    def _close_batch(self) -> None:
        columns = {name: [getattr(row, name) for row in self._rows] for name in INDEX_SCHEMA.names}
        columns["members"] = [[asdict(member) for member in row.members] for row in self._rows]
        self._batches.append(pa.RecordBatch.from_pydict(columns, schema=INDEX_SCHEMA))
        self._rows = []


def to_parquet(rows: Iterable[SampleRow], summary: UnitSummary) -> bytes:
    """Rows as a parquet file."""
    index = IndexRows()
    for row in rows:
        index.add(row)
    return index.to_parquet(summary)


def from_parquet(content: bytes, source: str, columns: Sequence[str] | None = None) -> Any:
    """The rows of an index file read from `source`, as a pyarrow table; all columns, or some.

    Raises:
        ShardError: not an index of this format.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        schema = file.schema_arrow
        if schema.equals(INDEX_SCHEMA, check_metadata=False):
            return file.read(columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise ShardError(f"{source} is not a parquet file ({error}); pack the set again") from error
    missing = sorted(set(INDEX_SCHEMA.names) ^ set(schema.names)) or "types differ"
    raise ShardError(f"{source} is not an index of this format: columns {missing}; pack the set again")


def summary_of(table: Any, source: str) -> UnitSummary:
    """The unit summary inside an index table."""
    note = (table.schema.metadata or {}).get(SUMMARY_KEY)
    if note is None:
        raise ShardError(f"{source} has no unit summary; pack the set again")
    content = json.loads(note)
    shards = [FileEntry(**entry) for entry in content["shards"]]
    return UnitSummary(shards, FileEntry(**content["failures"]), content["cpu"])


class Span(NamedTuple):
    """What counting a set needs of a row."""

    identity: str
    video: str
    track: int
    piece: int
    num_frames: int
    first_seconds: float
    last_seconds: float


def to_spans(table: Any) -> Iterator[Span]:
    """A table's rows without their lists: a long video's would take a hundred times the memory."""
    times = table["time_seconds"].combine_chunks().flatten().to_numpy()
    num_frames = table["num_frames"].to_numpy()
    ends = np.cumsum(num_frames)
    columns = [table[name].to_pylist() for name in ("identity", "video", "track", "piece", "num_frames")]
    yield from map(Span, *columns, times[ends - num_frames].tolist(), times[ends - 1].tolist())


def to_rows(table: Any) -> list[SampleRow]:
    """A table's rows as `SampleRow`; for checks and looking inside, not for planning."""
    return [
        SampleRow(**{**row, "members": [Member(**member) for member in row["members"]]})
        for row in table.to_pylist()
    ]


def read_manifest(url: str) -> Manifest:
    """The manifest of a finished set.

    Raises:
        ShardError: there is none, or one that cannot be read.
    """
    source = storage.join(url, MANIFEST_NAME)
    if not storage.exists(source):
        raise ShardError(
            f"{url} has no {MANIFEST_NAME}: not a shard set, or packing has not finished; pack again"
        )
    return Manifest.from_json(storage.read_bytes(source).decode(errors="replace"), source)


def read_pinned(url: str, entry: FileEntry) -> bytes:
    """A file of the set as the manifest pins it.

    Raises:
        ShardError: it is missing, or another one.
    """
    source = storage.join(url, entry.name)
    content = storage.read_bytes(source)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ShardError(f"{source} is not the file that the manifest names: sha256 differs; pack again")
    return content


def open_set(url: str) -> tuple[Manifest, Any]:
    """Manifest and index table of a finished set."""
    manifest = read_manifest(url)
    return manifest, read_table(url, manifest)


def read_table(url: str, manifest: Manifest) -> Any:
    """The whole index of a finished set as one pyarrow table, in the manifest's order of units.

    Raises:
        ShardError: a file is missing or is not the one that the manifest pins.
    """
    tables = []
    for entry in manifest.indexes:
        tables.append(from_parquet(read_pinned(url, entry), entry.name).replace_schema_metadata())
    return pa.concat_tables(tables) if tables else INDEX_SCHEMA.empty_table()


def read_index(url: str, manifest: Manifest) -> list[SampleRow]:
    """All rows of a finished set."""
    return to_rows(read_table(url, manifest))


def read_member(url: str, row: SampleRow, name: str) -> bytes:
    """One member of a sample.

    Raises:
        ShardError: the sample has none of this name, or its bytes are not those that the index names.
    """
    member = row.member(name)
    content = storage.read_range(storage.join(url, row.shard), member.offset, member.length)
    if zlib.crc32(content) != member.crc32:
        raise ShardError(f"{url}: {member.name} does not match its CRC; run `python -m shards verify`")
    return content


def read_array(url: str, row: SampleRow, name: str) -> NDArray[np.int8]:
    """A label member of a sample as an array `(frames, AUs)`."""
    return np.asarray(np.load(io.BytesIO(read_member(url, row, name)), allow_pickle=False), np.int8)


def read_jpegs(url: str, row: SampleRow) -> list[bytes]:
    """All frames of a sample, a JPEG file each."""
    stream, first = read_member(url, row, FRAMES_MEMBER), row.frame_offset[0]
    places = zip(row.frame_offset, row.frame_length, strict=True)
    return [stream[offset - first : offset - first + length] for offset, length in places]
