"""What a pack is asked to do, written beside the set: another request on the same url is refused by name."""

import importlib.metadata
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2

from shards import storage
from shards.errors import ManifestMismatchError
from shards.layouts.layout import Layout, Listing
from shards.pack.faces.detect import Detector
from shards.pack.faces.encode import JPEG_QUALITY, JPEG_SUBSAMPLING
from shards.pack.faces.plugins import get_aligner
from shards.pack.faces.quality import Gates
from shards.pack.limits import MEMORY_BYTES, STALL_SECONDS
from shards.pack.origin import Origin, fingerprint
from shards.schema import FORMAT_VERSION, JOB_NAME, CropRecipe, digest_of

NAMED_DIFFERENCES = 8


@dataclass(frozen=True)
class PackConfig:
    """A pack: which videos, how they are laid out, how they become samples, and where to."""

    source: str
    """A folder or an s3:// url."""
    url: str
    layout: str
    namespace: str = ""
    """Part of every key and of every person's hash; the layout's name if empty."""
    size: int = 224
    """Pixels of a crop's side."""
    detector: str = "yunet"
    """A built-in one, or `package.module:Name` of one's own (shards/pack/faces/plugins.py)."""
    crop: str = "face5_wide"
    """As `detector`: what lays a face into its crop."""
    gates: Gates = field(default_factory=Gates)
    """What a sample needs to be kept."""
    workers: int = 0
    """Processes; 0 is one for each core that this process may use."""
    videos_per_unit: int = 32
    frames_per_sample: int = 64
    detect_every: int = 5
    drop_copies: bool = False
    """Leave out videos that are byte by byte the same as another one; they are named in any case."""
    max_shard_bytes: int = 256 * 2**20
    max_shard_samples: int = 10_000
    stall_seconds: float = STALL_SECONDS
    """Without a frame for so long, a video's process is ended."""
    memory_bytes: int = MEMORY_BYTES
    """That a video's process may take beyond what it needs for itself."""
    spool: Path | None = None
    """Local room for encoded frames; the system's temporary folder if None."""

    def __post_init__(self) -> None:
        for name, least in (
            *(("size", 16), ("workers", 0), ("videos_per_unit", 1), ("frames_per_sample", 8)),
            *(("detect_every", 1), ("max_shard_bytes", 1), ("max_shard_samples", 1)),
            ("memory_bytes", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} needs at least {least}, found {getattr(self, name)}")

        if self.stall_seconds <= 0:
            raise ValueError(f"stall_seconds needs more than 0, found {self.stall_seconds}")

    @property
    def set_namespace(self) -> str:
        return self.namespace or self.layout


def versions() -> dict[str, str]:
    """The versions that decide a set's bytes."""
    packages = ("av", "numpy", "pyarrow", "simplejpeg")
    found = {name: importlib.metadata.version(name) for name in packages}
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return dict(sorted({**found, "opencv": cv2.__version__, "libavcodec": codec}.items()))


def cpu_features() -> str:
    """Instruction sets that OpenCV uses here; the last bit of a pixel may depend on them."""
    return " ".join(word.lstrip("*") for word in cv2.getCPUFeaturesLine().split() if not word.endswith("?"))


def recipe_of(config: PackConfig, detector: Detector) -> CropRecipe:
    """How this pack makes crops, with `detector` for the name that it gives.

    Raises:
        ShardError: there is no such aligner.
    """
    aligner = get_aligner(config.crop)
    return CropRecipe(
        name=config.crop,
        version=aligner.version,
        size=config.size,
        detector=config.detector,
        detector_version=detector.version,
        detector_sha256=detector.sha256,
        detector_device=detector.device,
        detector_long_side=detector.long_side,
        template=[[float(x), float(y)] for x, y in aligner.template],
        detect_every=config.detect_every,
        jpeg_quality=JPEG_QUALITY,
        jpeg_subsampling=JPEG_SUBSAMPLING,
    )


def describe(
    config: PackConfig, layout: Layout, listing: Listing, origin: Origin, recipe: CropRecipe
) -> dict[str, Any]:
    """All that decides the set's bytes, as kept in `pack.json`."""
    return {
        "format_version": FORMAT_VERSION,
        "settings": {
            "layout": layout.name,
            "namespace": config.set_namespace,
            "videos_per_unit": config.videos_per_unit,
            "frames_per_sample": config.frames_per_sample,
            "max_shard_bytes": config.max_shard_bytes,
            "max_shard_samples": config.max_shard_samples,
            "recipe": asdict(recipe),
            "gates": asdict(config.gates),
        },
        "versions": versions(),
        "sources": {source.video_id: fingerprint(source, origin) for source in listing.sources},
        "other_files": digest_of([asdict(failure) for failure in listing.failures])[:16],
    }


def claim(url: str, wanted: dict[str, Any], finished: bool) -> None:
    """Write down what this pack does, or check that the set at `url` was begun by an equal one.

    A finished set may have been made by other versions: nothing is written to it.

    Raises:
        ManifestMismatchError: it differs; names every difference.
    """
    target = storage.join(url, JOB_NAME)
    content = (json.dumps(wanted, sort_keys=True, indent=1) + "\n").encode()
    if storage.write_if_absent(target, content):
        return
    found = json.loads(storage.read_bytes(target))
    names = [name for name in wanted if name not in ("sources", "versions")] + ["versions"] * (not finished)
    differences = [line for name in names for line in _compare(name, found.get(name), wanted[name])]
    differences += _compare_sources(found.get("sources", {}), wanted["sources"])
    if differences:
        shown = "; ".join(differences[:NAMED_DIFFERENCES])
        if len(differences) > NAMED_DIFFERENCES:
            shown += f"; and {len(differences) - NAMED_DIFFERENCES} more"
        raise ManifestMismatchError(
            f"{url} holds a set of other input or settings: {shown}. Pack to another url, or remove that set"
        )


def _compare(name: str, there: Any, here: Any) -> list[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        parts = sorted(there.keys() | here.keys())
        return [line for part in parts for line in _compare(part, there.get(part), here.get(part))]
    return [] if there == here else [f"{name} is {there} there and {here} here"]


def _compare_sources(there: dict[str, str], here: dict[str, str]) -> list[str]:
    changed = sorted(name for name in there.keys() & here.keys() if there[name] != here[name])
    lines = [f"video or labels of {name} changed" for name in changed]
    lines += [f"video {name} is new" for name in sorted(here.keys() - there.keys())]
    return lines + [f"video {name} is gone" for name in sorted(there.keys() - here.keys())]
