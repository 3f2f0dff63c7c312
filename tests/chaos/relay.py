"""The process behind tests/chaos/proxy.py: a thread per connection, each with its own one to the store.

Standard library only, so that it starts in some 50 ms. Commands are JSON lines on standard input, answers on
standard output; the end of standard input is the end of the process.
"""

import json
import os
import random
import select
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from tests.chaos.faults import ANSWERED_HERE, Counts, Fault, Faults, Request
from tests.chaos.wire import CloseError, Incoming, ResetError, abort, delivered, parsed, relay_body, without

XML = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>injected</Message></Error>'
HTML = b"<html><h1>Bad Gateway</h1></html>"


class Relay:
    """Listener, settings and counts."""

    def __init__(self, store: str) -> None:
        host, _, port = store.partition(":")
        self.store = (host, int(port or 80))
        self.lock = threading.Lock()
        self.faults = Faults()
        self.number = self.due = 0
        self.open: set[socket.socket] = set()
        self.seen: deque[Callable[[], Request]] = deque(maxlen=10_000)
        self.return_timer = threading.Timer(0, lambda: None)
        self.reset()
        self.listen(0)

    def listen(self, port: int) -> None:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(512)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def vanish(self, seconds: float) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves accept() waiting
        self.listener.close()
        with self.lock:
            for client in self.open:
                with suppress(OSError):  # it may be closed in this very moment
                    abort(client)
                    client.shutdown(socket.SHUT_RDWR)
        self.return_timer = threading.Timer(seconds, self.listen, (self.port,))
        self.return_timer.daemon = True
        self.return_timer.start()

    def come_back(self) -> None:
        if self.return_timer.is_alive():
            self.return_timer.cancel()
            self.return_timer.join()
        if self.listener.fileno() < 0:
            self.listen(self.port)

    def set(self, **settings: Any) -> None:
        with self.lock:
            self.faults, self.number = Faults(**settings), 0
            self.due = self.faults.next_requests

    def reset(self) -> None:
        with self.lock:
            self.count = self.body_bytes = self.connections = 0
            self.happened: Counter[str] = Counter()
            self.seen.clear()

    def counts(self) -> Counts:
        with self.lock:
            return Counts(self.count, self.body_bytes, self.connections, len(self.open), dict(self.happened))

    def requests(self) -> list[Request]:
        with self.lock:
            return [look() for look in self.seen]

    def draw(self, method: str, target: str) -> tuple[Faults, str]:
        """The settings for this request and the fault that happens to it."""
        with self.lock:
            self.count += 1
            faults = self.faults
            if not faults.kinds or method not in faults.methods or faults.only not in target:
                return faults, ""
            self.number += 1
            by_number = random.Random(f"{faults.seed} {self.number}")
            happens = self.due > 0 or by_number.random() < faults.share
            self.due = max(0, self.due - 1)
            fault = by_number.choice(faults.kinds) if happens else ""
            if fault:
                self.happened[fault] += 1
            return faults, fault

    def note(self, look: Callable[[], Request]) -> None:
        with self.lock:
            self.seen.append(look)

    def add_body(self, count: int) -> None:
        with self.lock:
            self.body_bytes += count

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.open.add(connection)
            self.connections += 1
        link = Link(self, Incoming(connection))
        try:
            while link.one_request():
                pass
        except (ResetError, OSError):
            with suppress(OSError):
                abort(connection)
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()
            link.close()


class Link:
    """One client's connection with the one to the store behind it."""

    def __init__(self, relay: Relay, client: Incoming) -> None:
        self.relay, self.client = relay, client
        self.store: Incoming | None = None

    def close(self) -> None:
        if self.store is not None:
            self.store.socket.close()
            self.store = None

    def one_request(self) -> bool:
        """Whether the connection stays open."""
        head = self.client.head()
        if not head:
            return False
        (method, target, _), headers = parsed(head)
        faults, fault = self.relay.draw(method, target)
        answer = Answer(self.relay, self.client.socket, faults, fault)
        asked = headers.get("range", "")
        self.relay.note(lambda: Request(method, target, asked, fault, answer.status, answer.body_bytes))
        if faults.latency_ms:
            time.sleep(faults.latency_ms / 1000)
        if "100-continue" in headers.get("expect", ""):
            self.client.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = without(head, "expect")
        return self.exchange(method, head, headers, answer)

    def exchange(self, method: str, head: bytes, headers: dict[str, str], answer: "Answer") -> bool:
        if answer.fault in (*ANSWERED_HERE, Fault.RESET_BEFORE):
            relay_body(self.client, headers, len)
            if answer.fault == Fault.RESET_BEFORE:
                raise ResetError
            answer.invent(method)
            return True
        if answer.fault == Fault.STALL_BEFORE:
            answer.wait(answer.faults.stall_seconds)
        if answer.fault == Fault.WHOLE_OBJECT:
            head = without(head, "range")
        store = self.forward(head, headers)
        answered = store.head()
        while answered.startswith(b"HTTP/1.1 1"):
            answered = store.head()
        if not answered or answer.fault == Fault.LOST_ANSWER:
            raise ResetError
        (_, status, _), answer_headers = parsed(answered)
        has_body = method != "HEAD" and status not in ("204", "304")
        answer.start(int(status), answered, int(answer_headers.get("content-length", 0)) if has_body else 0)
        if has_body:
            try:
                relay_body(store, answer_headers, answer.send)
            except CloseError:
                return False
        return answer_headers.get("connection", "").lower() != "close"

    def forward(self, head: bytes, headers: dict[str, str]) -> Incoming:
        if self.store is not None and select.select([self.store.socket], [], [], 0)[0]:
            self.close()  # the store ended an idle connection
        if self.store is None:
            connection = socket.create_connection(self.relay.store)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.store = Incoming(connection)
        self.store.socket.sendall(head)
        relay_body(self.client, headers, self.store.socket.sendall)
        return self.store


class Answer:
    """An answer on its way to the client, and what happens to it there."""

    def __init__(self, relay: Relay, client: socket.socket, faults: Faults, fault: str) -> None:
        self.relay, self.client, self.faults, self.fault = relay, client, faults, fault
        self.status = self.body_bytes = self._fault_at = 0
        self._to_come = self._is_swallowed = False

    def invent(self, method: str) -> None:
        """Answer in the store's place."""
        status, code = self.fault.split(" ")
        body, kind = (HTML, "text/html") if self.fault == Fault.GATEWAY else (XML % code.encode(), "text/xml")
        head = f"HTTP/1.1 {status} {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.status = int(status)
        self.client.sendall(head.encode())
        if method != "HEAD":
            self._pass_on(body)

    def start(self, status: int, head: bytes, length: int) -> None:
        """Send the head of an answer whose body has `length` bytes (0 where it does not say)."""
        self._fault_at = min(self.faults.after_bytes, max(0, length - 1))
        self._to_come = length > 0 and bool(self.fault)
        if self._to_come and self.fault == Fault.SHORT_LENGTH:
            head = without(head, "content-length")[:-2] + f"Content-Length: {self._fault_at}\r\n\r\n".encode()
        self.status = status
        self.client.sendall(head)

    def send(self, data: bytes | memoryview) -> None:
        """Send what comes next of the body."""
        if self._is_swallowed:
            return
        cut = self._fault_at - self.body_bytes
        if not self._to_come or cut >= len(data):
            self._pass_on(data)
            return
        self._to_come = False
        self._pass_on(data[:cut])
        self._pass_on(self._broken(data[cut:]))

    def wait(self, seconds: float) -> None:
        """Wait, but not for a client that is gone."""
        readable, _, _ = select.select([self.client], [], [], seconds)
        if readable and not self.client.recv(1, socket.MSG_PEEK):
            raise ResetError

    def _broken(self, data: bytes | memoryview) -> bytes | memoryview:
        """Let the fault happen; what is to be sent of the rest."""
        if self.fault == Fault.WRONG_BYTE:
            return bytes([data[0] ^ 0x10]) + bytes(data[1:])
        if self.fault == Fault.STALL_WITHIN:
            self.wait(self.faults.stall_seconds)
        elif self.fault == Fault.SHORT_LENGTH:
            self._is_swallowed = True
            return b""
        elif self.fault == Fault.CLOSED_EARLY:
            raise CloseError
        elif self.fault == Fault.RESET_WITHIN:
            delivered(self.client)
            raise ResetError
        elif self.fault == Fault.TRICKLE:
            for place in range(len(data)):
                self.wait(1 / self.faults.trickle_bytes_per_second)
                self._pass_on(data[place : place + 1])
            return b""
        return data

    def _pass_on(self, data: bytes | memoryview) -> None:
        # Counted first: who has the bytes finds them counted.
        self.body_bytes += len(data)
        self.relay.add_body(len(data))
        self.client.sendall(data)


def main() -> None:
    relay = Relay(sys.argv[1])
    commands: dict[str, Callable[..., Any]] = {
        "port": lambda: relay.port,
        "set": relay.set,
        "vanish": relay.vanish,
        "come_back": relay.come_back,
        "counts": lambda: asdict(relay.counts()),
        "reset": relay.reset,
        "requests": lambda: [asdict(request) for request in relay.requests()],
    }
    for line in sys.stdin:
        command, arguments = json.loads(line)
        print(json.dumps(commands[command](**arguments)), flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    main()
