"""Bytes on the socket (protocol.md 3, 4): frames, one-shot pool requests, a peer that
says exactly what a test wants, and a proxy that writes everything down."""
import json
import os
import pathlib
import select
import socket
import struct
import threading
import time

MAGIC = b"\xc0\xde\x01\xac"
SYNC, REQUEST, RESPONSE, BROADCAST, PRESENCE, STATE, POOL = range(7)


def preamble(version: int = 2) -> bytes:
    return MAGIC + bytes([version])


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def json_frame(value) -> bytes:
    return frame(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def typed(kind: int, payload: bytes) -> bytes:
    return frame(bytes([kind]) + payload)


class Closed(Exception):
    """The daemon ended the connection."""


class Raw:
    """A blocking connection that sends what it is told and reads frames."""

    def __init__(self, path, timeout: float = 10.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # without a time limit, with which a full backlog is an error at once
        self.socket.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> "Raw":
        self.socket.sendall(data)
        return self

    def hello(self, handshake, version: int = 2) -> "Raw":
        return self.send(preamble(version) + json_frame(handshake))

    def exactly(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            try:
                more = self.socket.recv(n - len(data))
            except ConnectionError:
                more = b""
            if not more:
                raise Closed(f"after {len(data)} of {n} bytes")
            data += more
        return data

    def read(self) -> bytes:
        return self.exactly(struct.unpack(">I", self.exactly(4))[0])

    def read_json(self):
        return json.loads(self.read())

    def request(self, message) -> dict:
        """A notebook request; skips all that is not its response."""
        self.send(typed(REQUEST, json.dumps(message).encode() if not isinstance(message, bytes) else message))
        return self.response()

    def response(self) -> dict:
        for _ in range(10000):
            body = self.read()
            if body[0] == RESPONSE:
                return json.loads(body[1:])
        raise AssertionError("ten thousand frames and no response")

    def ended(self, seconds: float = 10.0) -> bool:
        """Whether the daemon closes within this time; reads what still comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                return False
            try:
                if not self.socket.recv(65536):
                    return True
            except ConnectionError:
                return True
        return False


def pool(path, message, timeout: float = 10.0) -> dict:
    with Raw(path, timeout) as c:
        c.hello({"channel": "pool"}).send(json_frame(message))
        return c.read_json()


class Proxy:
    """Stands between a client and the daemon. frames: (connection, "client"|"daemon",
    seconds, body), the preamble as its own entry with kind "preamble"."""

    def __init__(self, daemon_socket, folder: pathlib.Path):
        # Clients look for blobs and daemon.json beside the socket they are given (protocol.md 2.2).
        base = pathlib.Path(daemon_socket).parent
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("blobs", "daemon.json"):
            (folder / name).symlink_to(base / name)
        self.path = folder / "p.sock"
        self.target = str(daemon_socket)
        self.frames = []
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(32)
        self.count = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(self.target)
            self.count += 1
            for source, sink, side in ((client, server, "client"), (server, client, "daemon")):
                threading.Thread(target=self.pump, args=(self.count, source, sink, side), daemon=True).start()

    def pump(self, number: int, source, sink, side: str) -> None:
        waiting, started = b"", side == "daemon"
        while True:
            try:
                data = source.recv(1 << 18)
                if data:
                    sink.sendall(data)
            except OSError:
                data = b""
            if not data:
                break
            waiting += data
            if not started and len(waiting) >= 5:
                self.note(number, side, waiting[:5], "preamble")
                waiting, started = waiting[5:], True
            while started and len(waiting) >= 4 and len(waiting) >= 4 + struct.unpack(">I", waiting[:4])[0]:
                n = struct.unpack(">I", waiting[:4])[0]
                self.note(number, side, waiting[4:4 + n], "frame")
                waiting = waiting[4 + n:]
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def note(self, number: int, side: str, body: bytes, kind: str) -> None:
        with self.lock:
            self.frames.append((number, side, time.monotonic(), body, kind))

    def since(self, index: int) -> list:
        with self.lock:
            return self.frames[index:]

    def close(self) -> None:
        self.listener.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass
