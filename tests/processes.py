"""Which processes are there."""

import os

import psutil


def mentioning(folder: str) -> list[str]:
    """Command lines of other processes that name `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if folder in words and process.pid != os.getpid():
            found.append(words)
    return found
