"""Configs as frozen dataclasses, from YAML files and `key=value` words.

Each component owns its dataclass and validates it in `__post_init__`; a YAML file holds only what
differs from the defaults. OmegaConf is touched in this file and nowhere else.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from shards.errors import ShardError

T = TypeVar("T")
__all__ = [
    "MISSING",
    "ConfigError",
    "Request",
    "dump",
    "from_dict",
    "load",
    "parse",
    "run_command",
    "to_dict",
]


class ConfigError(Exception):
    """A config that cannot be used; the message names the key and what was wanted."""


@dataclass(frozen=True)
class Request:
    """A command line as the user wrote it: YAML files, overrides, and whether only to print."""

    files: tuple[Path, ...]
    overrides: tuple[str, ...]
    print_only: bool


def parse(arguments: Sequence[str], usage: str) -> Request:
    """Split `[FILE.yaml ...] [key=value ...] [--print]`; `--help` prints `usage` and exits.

    Raises:
        ConfigError: any other word, or a file that is not there.
    """
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(usage.strip() + "\n")
        raise SystemExit(0)
    files, overrides = [], []
    for word in arguments:
        if word == "--print":
            continue
        if "=" in word and not word.startswith("-"):
            overrides.append(word)
        elif word.endswith((".yaml", ".yml")):
            if not Path(word).is_file():
                raise ConfigError(f"no config file {word!r} here ({Path.cwd()})")
            files.append(Path(word))
        else:
            raise ConfigError(f"{word!r} is neither a .yaml file, a key=value nor --print\n\n{usage.strip()}")
    return Request(tuple(files), tuple(overrides), "--print" in arguments)


def run_command(main: Callable[[list[str]], None]) -> None:
    """A module's `main` on the command line's words; what the user can correct ends with exit status 2."""
    try:
        main(sys.argv[1:])
    except (ConfigError, ShardError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error


def load(schema: type[T], request: Request) -> T:
    """Merge files left to right, then the overrides, over the defaults of `schema`.

    Raises:
        ConfigError: unknown key (with the nearest known one), wrong type, missing or refused value.
    """
    try:
        layers = [OmegaConf.load(path) for path in request.files]
        layers.append(OmegaConf.from_dotlist(list(request.overrides)))
        return _build(schema, *layers)
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigError(str(error)) from error
    except (YAMLError, TypeError) as error:
        files = ", ".join(str(path) for path in request.files)
        raise ConfigError(f"{files} must each be a YAML mapping of keys to values: {error}") from error


def from_dict(schema: type[T], content: dict[str, Any]) -> T:
    """Rebuild a config from `to_dict`'s plain dictionary (or an older checkpoint's).

    Raises:
        ConfigError: as `load`.
    """
    try:
        return _build(schema, OmegaConf.create(content))
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigError(str(error)) from error


def _build(schema: type[T], *layers: Any) -> T:
    merged = OmegaConf.merge(OmegaConf.structured(schema), *layers)
    missing = OmegaConf.missing_keys(merged)
    if missing:
        raise ConfigError(
            f"no value for {', '.join(sorted(missing))}; give each as key=value or in the YAML file"
        )
    return cast(T, OmegaConf.to_object(merged))


def to_dict(config: Any) -> dict[str, Any]:
    """Plain containers of a config, for JSON, YAML and process boundaries."""
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config)}


def dump(config: Any) -> str:
    """The resolved config as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
