import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.services import ObjectStore
from shards import s3_http, storage
from shards.errors import ShardError
from shards.s3_http import Deadline, Pool, Route

CONTENT = bytes(range(256)) * 1_000
Opened = Callable[[socket.socket], tuple[socket.socket, socket.socket]]


@contextmanager
def serving(opened: Opened) -> Iterator[int]:
    """A port whose connections `opened` turns into the two sockets between which bytes then pass."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                    pair = opened(client)
                except OSError:  # the end of the test, or a client that trusts us not
                    if listener.fileno() < 0:
                        return
                    continue
                for one, other in (pair, pair[::-1]):
                    threading.Thread(target=hand_on, args=(one, other), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def hand_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture
def url(bucket_url: str) -> str:
    storage.write_bytes(f"{bucket_url}/x", CONTENT)
    return f"{bucket_url}/x"


@pytest.fixture
def store(object_store: ObjectStore) -> tuple[str, int]:
    place = urlsplit(object_store.environment["AWS_ENDPOINT_URL"])
    return place.hostname or "", place.port or 0


@pytest.fixture
def tls_port(certificate: tuple[Path, Path], store: tuple[str, int]) -> Iterator[int]:
    """The store over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with serving(
        lambda c: (context.wrap_socket(c, server_side=True), socket.create_connection(store))
    ) as port:
        yield port


def test_tls(
    url: str, certificate: tuple[Path, Path], tls_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{tls_port}")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    for start in range(5):
        assert storage.read_range(url, start, 200_000) == CONTENT[start : start + 200_000]
    assert storage.read_bytes(url) == CONTENT


def test_a_server_that_nobody_vouches_for(url: str, tls_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{tls_port}")
    start = monotonic()
    with pytest.raises(ShardError, match="certificate verify failed"):
        storage.read_range(url, 0, 1)
    assert monotonic() - start < 5


def test_a_web_proxy(url: str, store: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the whole url, and who asks."""
    heads: list[bytes] = []

    def opened(client: socket.socket) -> tuple[socket.socket, socket.socket]:
        heads.append(client.recv(65_536, socket.MSG_PEEK))
        return client, socket.create_connection(store)

    with serving(opened) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:pass%21@127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store[1]}/")  # another address: a new pool
        assert storage.read_range(url, 7, 1_000) == CONTENT[7:1_007]
    assert heads[0].startswith(f"GET http://127.0.0.1:{store[1]}/facscale/".encode())
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNzIQ==\r\n" in heads[0]


def test_a_tunnel(
    url: str, certificate: tuple[Path, Path], tls_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []

    def opened(client: socket.socket) -> tuple[socket.socket, socket.socket]:
        heads.append(client.recv(65_536))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return client, socket.create_connection(("127.0.0.1", tls_port))

    with serving(opened) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{tls_port}")
        assert storage.read_range(url, 7, 1_000) == CONTENT[7:1_007]
    assert heads[0].startswith(f"CONNECT 127.0.0.1:{tls_port} HTTP/1.".encode())


def test_connections_are_used_again_while_they_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        pool = Pool(Route("http", "127.0.0.1", listener.getsockname()[1], None, None))
        first = pool.take(1.0)
        server_side, _ = listener.accept()
        pool.give(first)
        assert pool.take(1.0) is first
        pool.give(first)
        server_side.close()
        second = pool.take(1.0)
        assert second is not first
        pool.give(second)
        monkeypatch.setattr(s3_http, "IDLE_SECONDS", 0.0)
        assert pool.take(1.0) is not second


def test_a_wait_ends_with_the_stall_or_the_deadline() -> None:
    start = monotonic()
    assert Deadline(lambda: start + 100, 5.0).wait_seconds() == 5.0
    assert 0 < Deadline(lambda: start + 2, 5.0).wait_seconds() <= 2
    with pytest.raises(TimeoutError, match="too slowly"):
        Deadline(lambda: start - 1, 5.0).wait_seconds()


def test_a_head_that_trickles_is_given_up() -> None:
    """Each byte comes before a stall is over, so that only the deadline ends it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        connection = Pool(Route("http", "127.0.0.1", listener.getsockname()[1], None, None)).take(1.0)
        server_side, _ = listener.accept()
        is_over = threading.Event()

        def trickle() -> None:
            while not is_over.wait(0.05):
                server_side.sendall(b"H")

        thread = threading.Thread(target=trickle)
        thread.start()
        start = monotonic()
        with pytest.raises(TimeoutError):
            connection.get("/", {}, Deadline(lambda: start + 0.5, 0.3))
        assert 0.4 < monotonic() - start < 0.8
        is_over.set()
        thread.join()
        connection.close()
