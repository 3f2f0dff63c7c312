import multiprocessing
import threading

import cv2
import numpy as np
import pytest

from shards.pack.faces.detect import YuNet
from shards.pack.faces.detector_server import DetectorAddress, DetectorLostError, DetectorServer, connected
from tests.clips import face_frames

KEY = b"a key of this job"


@pytest.fixture(scope="module")
def address() -> DetectorAddress:
    return DetectorServer(YuNet(), "127.0.0.1", KEY).address


def test_the_same_faces_as_without_a_server(address: DetectorAddress) -> None:
    local = YuNet()
    pictures = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in face_frames(12)]
    pictures.append(np.zeros((90, 160), np.uint8))
    wanted = [local.detect(np.asarray(picture, np.uint8)) for picture in pictures]
    found: dict[int, list[object]] = {}

    def ask(caller: int) -> None:
        with connected(address) as detector:
            assert (detector.version, detector.sha256, detector.device, detector.long_side) == (
                *(local.version, local.sha256),
                *(local.device, local.long_side),
            )
            found[caller] = [detector.detect(np.asarray(picture, np.uint8)) for picture in pictures]

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 3
    for faces_of_pictures in found.values():
        assert repr(faces_of_pictures) == repr(wanted)
    assert len(wanted[0]) == 1
    assert wanted[-1] == []


def test_a_wrong_key_and_a_server_that_is_gone(address: DetectorAddress) -> None:
    stranger = DetectorAddress(address.host, address.port, b"another")
    with pytest.raises(DetectorLostError, match="no detector answers"), connected(stranger):
        pass
    with connected(address) as detector:  # it goes on after a stranger
        assert detector.detect(np.zeros((90, 160), np.uint8)) == []
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    process.start()
    with connected(ours.recv()) as detector:
        process.kill()
        process.join()
        with pytest.raises(DetectorLostError, match="has gone"):
            detector.detect(np.zeros((90, 160), np.uint8))


def serve(told: "multiprocessing.connection.Connection") -> None:
    told.send(DetectorServer(YuNet(), "127.0.0.1", KEY).address)
    threading.Event().wait()
