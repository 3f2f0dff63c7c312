"""Over 200 files that a packer may meet and must survive, made from short clips by a seeded generator."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.clips import face_frames, write_sound
from tests.odd_videos import Form, encode

FRAMES = 24
GROUP = {"g": "8"}
# Equal bytes on every call: x264 without its lookahead's tree, Matroska without its random number.
X264 = Form(
    options={**GROUP, "crf": "23", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"},
    container_options={"fflags": "+bitexact"},
)
VP9 = replace(
    X264,
    codec="libvpx-vp9",
    options={**GROUP, "cpu-used": "8", "deadline": "realtime", "threads": "1"},
)
BASES = {
    "h264.mp4": X264,
    "h264.mkv": X264,
    "h264.ts": X264,
    "mpeg4.avi": Form("mpeg4", options={**GROUP, "b": "1M"}),
    "vp9.webm": VP9,
}
CUTS = (0.002, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
PARTS = {"header": (0.0, 0.04), "middle": (0.4, 0.6), "tail": (0.9, 1.0), "all": (0.0, 1.0)}
FLIPS_PER_BYTE = (1e-4, 1e-2, 0.3)
BLOCK_BYTES = (16, 512, 4096)


def write_hostile_files(folder: Path, seed: int = 0) -> list[bytes]:
    """Write the files below `folder`; returns their names there, as bytes, since some are no text."""
    folder.mkdir(parents=True)
    bases = {
        name: encode(folder / f"base {name}", face_frames(FRAMES), form).read_bytes()
        for name, form in BASES.items()
    }
    rng = np.random.default_rng(seed)
    for name, content in (*_damaged(bases, rng), *_strange(bases, rng)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert not (folder / name).exists(), name
        (folder / name).write_bytes(content)
    write_sound(folder / "sound.wav").rename(folder / "sound.mp4")
    with zipfile.ZipFile(folder / "archive.mp4", "w") as archive:
        archive.writestr("h264.mp4", bases["h264.mp4"])
    os.mkfifo(folder / "pipe.mp4")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    (folder / "lost.mp4").symlink_to("nowhere.mp4")
    (folder / "linked.mp4").symlink_to("base h264.mp4")
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    return sorted(os.fsencode(path.relative_to(folder)) for path in found)


def _damaged(bases: dict[str, bytes], rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for name, content in bases.items():
        for share in CUTS:
            yield f"cut/{share:g} {name}", content[: int(len(content) * share)]
        for part, (start, end) in PARTS.items():
            for rate in FLIPS_PER_BYTE:
                span = slice(int(len(content) * start), int(len(content) * end))
                yield f"flip/{part} {rate:g} {name}", _flipped(content, span, rate, rng)
        for size in BLOCK_BYTES:
            first, second = sorted(rng.integers(0, len(content) - size, 2))
            yield f"zeroed/{size} {name}", content[:first] + bytes(size) + content[first + size :]
            swapped = bytearray(content)
            swapped[first : first + size], swapped[second : second + size] = (
                content[second : second + size],
                content[first : first + size],
            )
            yield f"swapped/{size} {name}", bytes(swapped)
        yield f"without/first {name}", content[256:]
        yield f"twice/whole {name}", content + content
        yield f"noise/behind {name}", content + rng.bytes(5000)
        yield f"noise/before {name}", rng.bytes(5000) + content


def _flipped(content: bytes, span: slice, per_byte: float, rng: np.random.Generator) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    part = changed[span]
    count = max(1, round(len(part) * per_byte))
    part[rng.integers(0, len(part), count)] ^= np.uint8(1) << rng.integers(0, 8, count, dtype=np.uint8)
    return changed.tobytes()


def _strange(bases: dict[str, bytes], rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    mp4 = bases["h264.mp4"]
    for name, content in bases.items():
        yield f"wrong suffix/{name}.flv", content
        yield f"wrong suffix/{name}.3gp", content
    yield from {
        "empty.mp4": b"",
        "one byte.mkv": b"\0",
        "zeros.mp4": bytes(10_000),
        "noise.mp4": rng.bytes(10_000),
        "noise.ts": rng.bytes(10_000),
        "sync bytes.ts": b"G" * 5000,
        "text.avi": b"No video, just words.\n" * 40,
        "no suffix": mp4,
        "notes.txt": b"no video",
        "letters.mov": bytes(range(256)) * 8,
        "half a header.avi": bases["mpeg4.avi"][:100],
        "page.webm": b"<!DOCTYPE html><title>404</title>",
        "header only.mp4": mp4[:32],
        "ebml only.mkv": bases["h264.mkv"][:64],
        "riff.avi": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl",
        "huge atom.mp4": b"\x00\x00\x00\x01ftyp\x7f\xff\xff\xff\xff\xff\xff\xff",
        "moov in moov.mp4": b"\x00\x00\x03\xe8moov" * 125,
        "concat.mp4": b"ffconcat version 1.0\nfile 'base h264.ts'\n",
        "itself.mp4": b"ffconcat version 1.0\nfile itself.mp4\n",
        "playlist.ts": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "names/Gesicht \u00e4\u2603\U0001f600.mp4": mp4,
        "names/v1.2.final.mp4": mp4,
        "names/two\nlines.mp4": mp4,
        "names/' \" $HOME `x` %s {0} \\n.mp4": mp4,
        "names/concat:a|b.mp4": mp4,
        "names/frame%03d.mp4": mp4,
        "names/.mp4": mp4,
        "names/UPPER.MP4": mp4,
        "names/" + "long" * 60 + ".mp4": mp4,
        os.fsdecode(b"names/caf\xe9.mp4"): mp4,
        os.fsdecode(b"folder \xff/x.mp4"): mp4,
        os.fsdecode(b"names/\xfe.txt"): b"no video",
        "a/b/c/d/e/f/deep.mp4": mp4,
    }.items()
