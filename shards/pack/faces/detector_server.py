"""A detector in a process of its own, for many packing processes: one model on a GPU serves a whole machine.

Both ends of a connection prove that they know the job's key. A picture goes as its shape and its pixels, and
faces come back as rows of box, landmarks and score; nothing that arrives is unpickled.

Axes: H W pixels of a small luma picture, N faces, R = 15 numbers of each.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener

import numpy as np
from numpy.typing import NDArray

from shards.errors import ShardError
from shards.pack.faces.detect import Detector, Face

ROW = 15


class DetectorLostError(ShardError):
    """The process that finds faces has gone; the same work may be tried again."""


@dataclass(frozen=True)
class DetectorAddress:
    """Where a detector answers."""

    host: str
    port: int
    key: bytes


class DetectorServer:
    """Answers for `detector` on a free port of `host`, one picture at a time, while its process lives."""

    def __init__(self, detector: Detector, host: str, key: bytes) -> None:
        self._detector = detector
        self._one_at_a_time = threading.Lock()
        self._listener = Listener((host, 0), authkey=key)
        self.address = DetectorAddress(host, int(self._listener.address[1]), key)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller = self._listener.accept()
            except (AuthenticationError, EOFError, OSError):
                continue  # somebody without the key, or a packer that was killed meanwhile
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: Connection) -> None:
        facts = {name: getattr(self._detector, name) for name in ("version", "sha256", "device", "long_side")}
        try:
            with caller:
                caller.send_bytes(json.dumps(facts).encode())
                while True:
                    small_HW = _picture(caller.recv_bytes())
                    with self._one_at_a_time:
                        faces = self._detector.detect(small_HW)
                    caller.send_bytes(_rows(faces).tobytes())
        except (EOFError, OSError):
            return  # the packer has ended


class DetectorClient:
    """The detector at an address; itself a `Detector`."""

    def __init__(self, server: Connection) -> None:
        self._server = server
        facts = json.loads(server.recv_bytes())
        self.version = str(facts["version"])
        self.sha256 = str(facts["sha256"])
        self.device = str(facts["device"])
        self.long_side = int(facts["long_side"])

    def detect(self, small_HW: NDArray[np.uint8]) -> list[Face]:
        """As the detector there.

        Raises:
            DetectorLostError: it does not answer any more.
        """
        try:
            self._server.send_bytes(np.array(small_HW.shape, np.int64).tobytes() + small_HW.tobytes())
            rows_NR = np.frombuffer(self._server.recv_bytes(), np.float64).reshape(-1, ROW)
        except (EOFError, OSError) as error:
            raise DetectorLostError("the process that finds faces has gone") from error
        return [
            Face((row[0], row[1], row[2], row[3]), row[4:14].reshape(5, 2), float(row[14])) for row in rows_NR
        ]


@contextmanager
def connected(address: DetectorAddress) -> Iterator[DetectorClient]:
    """A connection to the detector at `address`.

    Raises:
        DetectorLostError: there is none.
    """
    try:
        server = Client((address.host, address.port), authkey=address.key)
    except (AuthenticationError, EOFError, OSError) as error:
        raise DetectorLostError(f"no detector answers at {address.host}:{address.port} ({error})") from error
    with server:
        yield DetectorClient(server)


def _picture(message: bytes) -> NDArray[np.uint8]:
    height, width = np.frombuffer(message, np.int64, 2)
    return np.frombuffer(message, np.uint8, offset=16).reshape(height, width)


def _rows(faces: list[Face]) -> NDArray[np.float64]:
    rows_NR = [[*face.box, *face.landmarks_52.ravel(), face.score] for face in faces]
    return np.array(rows_NR, np.float64).reshape(-1, ROW)
