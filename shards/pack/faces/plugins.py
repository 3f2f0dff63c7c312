"""Detectors and aligners by name: the built-in ones, or `package.module:Name` of the user's own.

What is named is called without arguments for every video that is packed, and again where a trained model is
used: one that is slow to load keeps its model between calls.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from shards.errors import ShardError
from shards.pack.faces.align import Aligner
from shards.pack.faces.detect import Detector, YuNet
from shards.pack.faces.recipes import ALIGNERS

DETECTORS: dict[str, Callable[[], Detector]] = {"yunet": YuNet}
DETECTOR_PARTS = ("version", "sha256", "device", "long_side", "detect")
ALIGNER_PARTS = ("version", "template", "matrix")

Made = TypeVar("Made")


def get_detector(name: str) -> Detector:
    """A new detector.

    Raises:
        ShardError: there is none of this name, it cannot be imported, or it is no detector.
    """
    return _checked(_factory("detector", name, DETECTORS)(), "detector", name, DETECTOR_PARTS)


def get_aligner(name: str) -> Aligner:
    """A new aligner.

    Raises:
        ShardError: there is none of this name, it cannot be imported, or it is no aligner.
    """
    return _checked(_factory("crop", name, ALIGNERS)(), "crop", name, ALIGNER_PARTS)


def _factory(kind: str, name: str, built_in: Mapping[str, Callable[[], Made]]) -> Callable[[], Made]:
    if name in built_in:
        return built_in[name]
    module_name, colon, attribute = name.partition(":")
    if not colon:
        raise ShardError(
            f"there is no {kind} {name!r}{_nearest(name, built_in)}; there are {', '.join(built_in)}, "
            "and package.module:Name for one of your own"
        )
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError, TypeError) as error:
        raise ShardError(
            f"{kind} {name!r}: module {module_name!r} cannot be imported ({error}); install it, or start "
            "where Python finds it"
        ) from error
    if not hasattr(module, attribute):
        raise ShardError(
            f"{kind} {name!r}: {module_name} has no {attribute!r}{_nearest(attribute, vars(module))}"
        )
    factory: Callable[[], Made] = getattr(module, attribute)
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ShardError(
            f"{kind} {name!r} cannot be called without arguments ({error}); name a class or function that can"
        ) from error
    return factory


def _checked(made: Made, kind: str, name: str, parts: Iterable[str]) -> Made:
    missing = [part for part in parts if not hasattr(made, part)]
    if missing:
        raise ShardError(
            f"{kind} {name!r} lacks {', '.join(missing)}; see Detector and Aligner in shards/pack/faces "
            "(detect.py, align.py) for what is wanted"
        )
    return made


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else ""
