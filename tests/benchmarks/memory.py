"""The resident memory of a process at its peak, as Linux tells it.

Not what getrusage says: that counts the parent's memory from before the new program was loaded.
"""

from pathlib import Path


def peak_bytes(process_id: int | str = "self") -> int:
    """Most memory that a process has had, this one since `peak_from_here`."""
    return _status("VmHWM", process_id)


def peak_from_here() -> int:
    """Let this process's peak start at what is in use now; that."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS", "self")


def _status(name: str, process_id: int | str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{process_id}/status has no {name}; a running process on Linux was expected")
