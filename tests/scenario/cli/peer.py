"""A scripted daemon for tests of `runt`: answers pool requests from a table."""
import json
import pathlib
import socket
import struct
import threading


def frame(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class ScriptedDaemon:
    """Listens on `<base>/runtimed.sock` and writes `<base>/daemon.json`.

    `answers` maps a request's type to a response (a dict, or a function of the
    request); requests are kept in `requests`. An answer of None closes."""

    def __init__(self, base: pathlib.Path, answers: dict, record: bool = True, name: str = "runtimed.sock"):
        base.mkdir(parents=True, exist_ok=True)
        self.path = base / name
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        if record:
            (base / "daemon.json").write_text(json.dumps({
                "endpoint": str(self.path), "pid": 1, "version": "2.0.8+abcdef0",
                "started_at": "2026-03-20T11:18:00.123456789Z", "blob_port": 40123}))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.path.unlink(missing_ok=True)

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    self.talk(peer)
                except (OSError, EOFError):
                    pass

    def read(self, peer, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = peer.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def talk(self, peer):
        assert self.read(peer, 5) == b"\xc0\xde\x01\xac\x02"
        assert json.loads(self.read(peer, *struct.unpack(">I", self.read(peer, 4)))) == {"channel": "pool"}
        while True:
            request = json.loads(self.read(peer, *struct.unpack(">I", self.read(peer, 4))))
            self.requests.append(request)
            answer = self.answers[request["type"]]
            if callable(answer):
                answer = answer(request)
            if answer is None:
                return
            data = frame(json.dumps(answer).encode())
            for i in range(0, len(data), 3):  # in pieces: the client must put them together
                peer.sendall(data[i:i + 3])
