"""Generated 720p videos: people before a textured wall, taken by a noisy camera in an unsteady hand.

Faces have the size that they have in an interview; noise and shaking cost a decoder about what real footage
does, which the result file tells by the bit rate.

Axes: T frames, H W C pixels.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from shards.synthetic.action_units import unit_coefficients
from shards.synthetic.curves import perform
from shards.synthetic.head import load_head
from shards.synthetic.person import make_person, stable_seed
from shards.synthetic.render import Renderer
from shards.synthetic.scene import draw_background, draw_scene, plain, smooth_motion

WIDTH, HEIGHT, FPS = 1280, 720, 25
X264 = {"preset": "medium", "crf": "23", "g": "250"}
SPEECH_SHARE = 0.35
NOISE_LEVELS = 7.0
TEXTURE_LEVELS = {2: 3.0, 8: 6.0, 40: 10.0}
"""Pixels of a spot of the wall's texture, and its standard deviation in grey levels."""
SHAKE_PIXELS = 3.0
SPARE_PIXELS = 16
"""Of the scene around what the camera sees, so that shaking shows no edge."""


@dataclass(frozen=True)
class Place:
    """Where a person stands: a square of the picture, and the share of it that the face is high."""

    left: int
    top: int
    side: int
    face_share: float


MIDDLE = Place(left=296, top=16, side=720, face_share=0.4)
ROW = tuple(Place(left=18 + 426 * number, top=310, side=426, face_share=0.6) for number in range(3))


@dataclass(frozen=True)
class Kind:
    """What a film shows; `turn_radians` is how far heads turn to either side, 0 leaves them to themselves."""

    name: str
    places: tuple[Place, ...]
    turn_radians: float = 0.0


FRONTAL = Kind("frontal", (MIDDLE,))
TURNING = Kind("turning heads", (MIDDLE,), turn_radians=0.6)
SEVERAL = Kind("three people", ROW)
KINDS = (FRONTAL, TURNING, SEVERAL)


@dataclass(frozen=True)
class Film:
    """One video; another number shows other people."""

    kind: Kind
    number: int
    seconds: float
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.kind.name.replace(' ', '-')}-{self.number}.mp4"

    @property
    def num_frames(self) -> int:
        """At least one."""
        return max(1, round(self.seconds * FPS))

    def random(self, what: str) -> np.random.Generator:
        """Where all draws for `what` come from."""
        return np.random.default_rng(stable_seed(self.kind.name, self.number, self.seed, what))


def make_film(film: Film, folder: Path) -> Path:
    """Write the film into `folder`."""
    path = folder / film.name
    write_x264(path, frames_of(film))
    return path


def frames_of(film: Film) -> Iterator[NDArray[np.uint8]]:
    """The film's frames `(720, 1280, 3)` RGB."""
    random = film.random("camera")
    time_seconds_T = np.arange(film.num_frames) / FPS
    shake_T2 = np.stack([smooth_motion(random, time_seconds_T, SHAKE_PIXELS) for _ in "xy"], axis=1)
    shake_T2 = np.clip(shake_T2, -SPARE_PIXELS + 1, SPARE_PIXELS - 1)
    wall_HWC = _wall(random)
    actors = [_actor(film, place, wall_HWC) for place in film.kind.places]
    noise_HWC = random.normal(0, NOISE_LEVELS, (2 * HEIGHT, 2 * WIDTH, 3)).astype(np.int16)
    for shake_2, *pictures in zip(shake_T2, *actors, strict=True):
        scene_HWC = wall_HWC.copy()
        for place, picture_HWC in zip(film.kind.places, pictures, strict=True):
            scene_HWC[_square(place)] = picture_HWC
        shift_23 = np.array([[1, 0, shake_2[0] - SPARE_PIXELS], [0, 1, shake_2[1] - SPARE_PIXELS]])
        seen_HWC = cv2.warpAffine(scene_HWC, shift_23, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        row, column = random.integers(0, (HEIGHT, WIDTH))
        noise = noise_HWC[row : row + HEIGHT, column : column + WIDTH]
        yield np.asarray(cv2.add(seen_HWC, noise, dtype=cv2.CV_8U), np.uint8)


def _wall(random: np.random.Generator) -> NDArray[np.uint8]:
    width, height = WIDTH + 2 * SPARE_PIXELS, HEIGHT + 2 * SPARE_PIXELS
    wall_HWC = draw_background(random, width)[:height].astype(np.float32)
    for spot, levels in TEXTURE_LEVELS.items():
        spots = random.normal(0, levels, (height // spot + 1, width // spot + 1)).astype(np.float32)
        wall_HWC += cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(wall_HWC, 0, 255).astype(np.uint8)


def _square(place: Place) -> tuple[slice, slice]:
    return slice(place.top, place.top + place.side), slice(place.left, place.left + place.side)


def _actor(film: Film, place: Place, wall_HWC: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Pictures `(side, side, 3)` of a person before its part of the wall."""
    random = film.random(f"actor at {place.left}")
    scene = replace(
        plain(draw_scene(random, film.num_frames, FPS, place.side)),
        face_height=place.face_share,
        background_HWC=wall_HWC[_square(place)],
    )
    rotation_TD = scene.rotation_TD.copy()
    if film.kind.turn_radians:
        time_seconds_T = np.arange(film.num_frames) / FPS
        turns_T = np.sin(2 * np.pi * random.uniform(0.2, 0.4) * time_seconds_T)
        rotation_TD[:, 1] = film.kind.turn_radians * turns_T
    performance = perform(random, film.num_frames, FPS, SPEECH_SHARE)
    coefficients_TK = unit_coefficients(performance, load_head().expressions.names)
    renderer = Renderer(make_person(int(random.integers(2**31))), scene, place.side)
    for coefficients_K, rotation_D, drift_D in zip(coefficients_TK, rotation_TD, scene.drift_TD, strict=True):
        yield renderer.render(coefficients_K, rotation_D, drift_D)


def write_x264(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """Encode frames as a camera's file would be after an ordinary export; named when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".partial")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame_HWC in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")))
        container.mux(stream.encode())
    unfinished.replace(path)


def repeat(path: Path, seconds: float, target: Path) -> Path:
    """The video again and again, its packets copied, for `seconds` or a little more; made where missing."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".partial")
    with av.open(str(path)) as source, av.open(str(unfinished), "w", format="mp4") as written:
        stream = source.streams.video[0]
        copy = written.add_stream_from_template(stream)
        frames = stream.frames
        ticks_per_frame = round(1 / (FPS * cast("Fraction", stream.time_base)))
        for number in range(math.ceil(seconds * FPS / frames)):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue  # the empty one that ends the stream
                packet.dts += number * frames * ticks_per_frame
                packet.pts += number * frames * ticks_per_frame
                packet.stream = copy
                written.mux(packet)
    unfinished.replace(target)
    return target
