"""The peers' own virtual environment: ours with their packages on top, so that torch is not fetched again."""

import importlib.util
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

from infra.stages import say

MODULES = {"webdataset": "webdataset", "litdata": "litdata", "mosaicml": "streaming", "obstore": "obstore"}
PEERS = tuple(MODULES)
# Without their dependencies: mosaicml-streaming asks for the clients of every cloud, and for another torch
# and transformers. What they import is named here.
PACKAGES = (
    *("litdata==0.2.76", "mosaicml-streaming==0.13.0", "obstore==0.12.1"),
    *("brotli==1.2.1", "catalogue==2.0.10", "cramjam==2.14.0", "crc32c==2.8", "python-snappy==0.7.3"),
    *("tifffile==2026.3.3", "xxhash==3.8.2", "zstd==1.5.7.2"),
)


def python_for(peers: Sequence[str], folder: Path) -> str:
    """An interpreter that has these peers: this one, or that of an environment made in `folder`."""
    if all(importlib.util.find_spec(MODULES[peer]) for peer in peers):
        return sys.executable
    python = folder / "bin" / "python"
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text().split() != list(PACKAGES):
        say(f"installing {' '.join(PACKAGES[:3])} into {folder}")
        venv.create(folder, clear=True, with_pip=True)
        inside = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        (inside / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        words = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*words, *PACKAGES], check=True, stdout=sys.stderr)
        installed.write_text("\n".join(PACKAGES))
    return str(python)
