"""Truncated, oversized, wrong and random bytes at every stage (protocol.md 13): the
sender gets the protocol's error or a closed connection; nobody else notices."""
import base64
import json
import os
import random
import resource
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

import cbor2
import pytest

from support import cache
from support import notebooks as nb
from support import wire
from support.daemon import BUILD, until
from support.wire import Closed, Raw, frame, json_frame, preamble, typed

SEED = int(os.environ.get("RUNTIMED_TEST_SEED") or 1)
POOL_HELLO = preamble() + json_frame({"channel": "pool"})


@pytest.fixture
def room(daemon, work):
    """A notebook somebody works in; afterwards it is as it was and still works."""
    t = work / "t.ipynb"
    data = nb.write(t, nb.sources(3))
    good = daemon.open(t)
    good.wait("p.cells().length === 3")
    heads = good.heads()
    pid = daemon.pid
    yield str(t)
    assert daemon.process.poll() is None and daemon.pid == pid
    assert good.heads() == heads and not good.closed
    assert t.read_bytes() == data
    good.add("after", "1")
    good.wait_acked()
    until(lambda: nb.on_disk(t, after="1"), "autosave works", 6)


def alive(daemon) -> bool:
    return daemon.pool({"type": "ping"})["type"] == "pong"


def join(daemon, path) -> Raw:
    c = Raw(daemon.socket).hello({"channel": "notebook_sync", "notebook_id": path, "protocol": "v2"})
    c.read_json()
    return c


def answer(c: Raw):
    """The next JSON frame, or None when the daemon closes."""
    try:
        return c.read_json()
    except Closed:
        return None


STARTS = {
    "wrong_magic": b"\xc0\xde\x01\xad\x02" + json_frame({"channel": "pool"}) + json_frame({"type": "ping"}),
    "half_magic": b"\xc0\xde",
    "no_preamble_notebook": json_frame({"channel": "notebook_sync", "notebook_id": "x"}),
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + b"\x55" * 190,
    "zero_length": preamble() + b"\0\0\0\0",
    "handshake_too_long": preamble() + struct.pack(">I", 65537),
    "handshake_huge": preamble() + b"\xff\xff\xff\xff",
    "not_json": preamble() + frame(b"hello"),
    "not_utf8": preamble() + frame(b'{"channel":"\xff\xfe"}'),
    "unknown_channel": preamble() + json_frame({"channel": "teleport"}),
    "channel_is_number": preamble() + json_frame({"channel": 7}),
    "no_channel": preamble() + json_frame({"x": 1}),
    "array": preamble() + json_frame([1, 2]),
    "missing_field": preamble() + json_frame({"channel": "notebook_sync"}),
    "wrong_type": preamble() + json_frame({"channel": "notebook_sync", "notebook_id": 3}),
    "deep_json": preamble() + frame(b"[" * 30000),
    "trailing": preamble() + frame(b'{"channel":"pool"} x'),
}


@pytest.mark.parametrize("name", STARTS)
def test_x1_start_of_a_connection(daemon, room, name):
    with Raw(daemon.socket) as c:
        c.send(STARTS[name])
        if name in ("half_magic",):
            c.socket.shutdown(socket.SHUT_WR)
        assert c.ended(12) or name == "no_preamble_notebook" or name == "trailing", name


@pytest.mark.parametrize("version", [0, 1, 5, 9, 255])
def test_x2_versions(daemon, room, version):
    with Raw(daemon.socket) as c:
        c.hello({"channel": "notebook_sync", "notebook_id": room, "protocol": "v2"}, version)
        info = answer(c)
        assert info is None or info.get("error")
        assert c.ended(5)


def test_x3_slow_handshake_ends(daemon, room):
    """One 10 s deadline for preamble and handshake (protocol.md 3.1)."""
    slow = [Raw(daemon.socket, 20) for _ in range(5)]
    for i, c in enumerate(slow):
        c.send((preamble() + struct.pack(">I", 30) + b'{"chan')[:1 + 3 * i])
    began = time.monotonic()
    assert all(c.ended(14) for c in slow)
    assert time.monotonic() - began > 8
    assert alive(daemon)


def test_x4_many_half_open_connections(daemon, room):
    idle = []
    for _ in range(200):
        try:
            idle.append(Raw(daemon.socket))
        except OSError:
            break
    assert alive(daemon)
    for c in idle:
        c.close()


def test_x22_more_half_open_connections_than_are_kept(daemon, room):
    """Who never says what it wants keeps nobody else out."""
    idle = [Raw(daemon.socket) for _ in range(700)]
    for _ in range(20):
        assert alive(daemon)
    with join(daemon, room) as c:
        assert c.request({"action": "get_queue_state"})["result"] == "queue_state"
    assert idle[0].ended(5) and not idle[-1].ended(0)
    for c in idle:
        c.close()


@pytest.mark.parametrize("body", [b'{"type":"teleport"}', b"no json", b"", b"[]", b'{"type":3}', b'{"type":"take"}',
                                  b'{"type":"inspect_notebook"}', b'{"type":"take","env_type":"npm"}'])
def test_x5_pool_requests(daemon, room, body):
    with Raw(daemon.socket) as c:
        c.send(POOL_HELLO + frame(body))
        got = answer(c)
        assert got is None or got["type"] in ("error", "empty"), got
        if got is None or got["type"] == "error":
            assert c.ended(5)


def test_x5_pool_lengths(daemon, room):
    with Raw(daemon.socket) as c:
        c.send(POOL_HELLO + struct.pack(">I", 100 * 1024 * 1024 + 1))
        assert c.ended(5)
    rss = daemon.rss()
    with Raw(daemon.socket) as c:
        c.send(POOL_HELLO + struct.pack(">I", 100 * 1024 * 1024) + b"x" * 100)
        time.sleep(0.3)
        assert daemon.rss() - rss < 50 << 20, "announced bytes are not allocated in advance"


def test_x5_return_of_a_foreign_path(daemon, work):
    victim = work / "precious"
    victim.mkdir()
    (victim / "bin").mkdir()
    (victim / "bin" / "python").write_text("x")
    got = daemon.pool({"type": "return", "env": {"env_type": "uv", "venv_path": str(victim), "python_path": str(victim / "bin/python")}})
    assert got["type"] == "error" and (victim / "bin" / "python").exists()


FRAMES = {
    "empty_frame": (frame(b""), True),
    "oversized": (struct.pack(">I", 100 * 1024 * 1024 + 1), True),
    "sync_garbage": (typed(wire.SYNC, b"\x42garbage"), True),
    "sync_empty": (typed(wire.SYNC, b""), True),
    "sync_type": (typed(wire.SYNC, b"\x99\0\0\0\0"), True),
    "sync_truncated": (typed(wire.SYNC, bytes.fromhex("4201") + b"\x11" * 20), True),
    "sync_counts": (typed(wire.SYNC, b"\x42\xff\xff\xff\xff\x0f"), True),
    "state_garbage": (typed(wire.STATE, b"\x42garbage"), True),
    "request_not_json": (typed(wire.REQUEST, b"{{{"), True),
    "response_from_client": (typed(wire.RESPONSE, b'{"result":"ok"}'), False),
    "broadcast_from_client": (typed(wire.BROADCAST, b'{"event":"room_renamed","new_notebook_id":"/x"}'), False),
    "unknown_type": (typed(0x63, b"whatever"), False),
    "pool_document": (typed(wire.POOL, b"\x42\0\0\0"), False),
    "presence_garbage": (typed(wire.PRESENCE, b"\xff\xff\xff"), False),
    "presence_oversized": (typed(wire.PRESENCE, b"\xa1" + b"x" * 5000), False),
    "presence_empty": (typed(wire.PRESENCE, b""), False),
    "presence_spoofed": (typed(wire.PRESENCE, bytes.fromhex("a4647479706566757064617465677065657269645f") + b"x"), False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_x6_frames(daemon, room, name):
    data, closes = FRAMES[name]
    with join(daemon, room) as c:
        c.send(data)
        if closes:
            assert c.ended(5)
        else:
            assert c.request({"action": "get_queue_state"})["result"] == "queue_state"


@pytest.mark.parametrize("request_body", [
    {"action": "teleport"}, {"x": 1}, {"action": 3}, {"action": "execute_cell"}, {"action": "execute_cell", "cell_id": 7},
    {"action": "launch_kernel"}, {"action": "save_notebook"}, {"action": "save_notebook", "format_cells": "no"}, {"action": "complete", "code": "x"},
    {"action": "complete", "code": "x", "cursor_pos": -1}, {"action": "get_history", "n": "many", "unique": True},
    {"action": "set_metadata_snapshot", "snapshot": "not json"}, {"action": "send_comm", "message": 3}, {"action": "clone_notebook", "path": "relative"},
    {"action": "execute_cell", "cell_id": "no-such-cell"}, {"action": "clear_outputs", "cell_id": "no-such-cell"}, [], "text", 7, None,
], ids=lambda b: json.dumps(b)[:40])
def test_x7_requests(daemon, room, request_body):
    """Exactly one response, an error, and the connection lives on."""
    with join(daemon, room) as c:
        assert c.request(request_body)["result"] in ("error", "no_kernel", "outputs_cleared"), request_body
        assert c.request({"action": "get_queue_state"})["result"] == "queue_state"


def test_x7_errors_say_what_is_wrong(daemon):
    peer = daemon.create()
    peer.add("m", "text", type="markdown")
    peer.wait_acked()
    with join(daemon, peer.id) as c:
        for body, error in (({"action": "execute_cell", "cell_id": "m"}, "Cannot execute non-code cell: m (type: markdown)"),
                            ({"action": "execute_cell", "cell_id": "gone"}, "Cell not found in document: gone"),
                            ([1], "Invalid request: a JSON object was expected")):
            assert c.request(body if isinstance(body, dict) else json.dumps(body).encode()) == {"result": "error", "error": error}


def test_x7_kernel_requests_without_a_kernel(daemon, room):
    with join(daemon, room) as c:
        for action, more in (("interrupt_execution", {}), ("shutdown_kernel", {}), ("run_all_cells", {}), ("complete", {"code": "a", "cursor_pos": 1}),
                             ("get_history", {"n": 3, "unique": True}), ("execute_cell", {"cell_id": "cell0"}), ("queue_cell", {"cell_id": "cell0", "code": "1"})):
            assert c.request({"action": action, **more}) == {"result": "no_kernel"}, action
        assert c.request({"action": "get_kernel_info"}) == {"result": "kernel_info", "kernel_type": None, "env_source": None, "status": "not_started"} \
            or c.request({"action": "get_kernel_info"})["status"] in ("not_started", "error")


def test_x8_change_that_does_not_apply(daemon, room, node):
    """Well-formed sync messages with changes of another document: cells appear nowhere, or as a merge; nothing breaks."""
    data = base64.b64decode(node.call("legacy", notebook="other", cells=[{"id": "foreign", "source": "x"}]))
    message = b"\x43" + b"\0" + b"\0" + b"\0" + bytes([1]) + leb(len(data)) + data
    with join(daemon, room) as c:
        c.send(typed(wire.STATE, message))
        assert c.request({"action": "get_queue_state"})["result"] == "queue_state"
    with join(daemon, room) as c:
        damaged = bytearray(message)
        damaged[len(damaged) // 2] ^= 0x55
        c.send(typed(wire.SYNC, bytes(damaged)))
        assert c.ended(5)


def leb(n: int) -> bytes:
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | (0x80 if n else 0)])
        if not n:
            return out


def test_x9_random_bytes(daemon, room):
    """Every stage, many times: random tails after a valid beginning."""
    rng = random.Random(SEED)
    hello = preamble() + json_frame({"channel": "notebook_sync", "notebook_id": room, "protocol": "v2"})
    blob = preamble() + json_frame({"channel": "blob"})
    settings = preamble() + json_frame({"channel": "settings_sync"})
    opening = preamble() + json_frame({"channel": "open_notebook", "path": room})
    stages = [b"", preamble(), hello, opening, POOL_HELLO, blob, settings]
    for i in range(3000 if cache.LONG else 300):
        tail = rng.randbytes(rng.randrange(1, 200))
        stage = rng.choice(stages)
        if stage and rng.random() < 0.7:  # framed, with a plausible type
            tail = frame(bytes([rng.choice([0, 1, 3, 4, 5, 6, 99])]) + (bytes([rng.choice([0x42, 0x43])]) if rng.random() < 0.6 else b"") + tail)
        with Raw(daemon.socket) as c:
            try:
                c.send(stage + tail)
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert alive(daemon)


def test_x10_cut_conversations(daemon, room, node):
    """A real conversation cut at every byte."""
    message = typed(wire.REQUEST, b'{"action":"get_queue_state"}') + typed(wire.SYNC, bytes.fromhex("4200000000"))
    whole = preamble() + json_frame({"channel": "notebook_sync", "notebook_id": room, "protocol": "v2"}) + message
    for n in range(1, len(whole)):
        with Raw(daemon.socket) as c:
            c.send(whole[:n])
    assert alive(daemon)


def test_x11_a_client_that_does_not_read(daemon, room):
    """Blocks itself only; memory stays bounded (design: every queue has a limit)."""
    c = join(daemon, room)
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    rss = daemon.rss()
    writer = daemon.create()
    deadline = time.monotonic() + 15
    sent = 0
    try:
        while time.monotonic() < deadline and sent < 20000:
            c.send(typed(wire.REQUEST, b'{"action":"get_doc_bytes"}'))
            sent += 1
    except (TimeoutError, OSError):
        pass
    writer.add("x", "1")
    writer.wait_acked()
    assert daemon.rss() - rss < 400 << 20, (sent, daemon.rss() - rss)
    c.close()


def test_x12_blob_channel(daemon, room):
    def channel():
        return Raw(daemon.socket).hello({"channel": "blob"})
    with channel() as c:
        assert set(c.send(json_frame({"action": "get_port"})).read_json()) == {"port"}
    for body in (b"no json", b'{"action":"steal"}', b'{"action":"store"}', b"[]"):
        with channel() as c:
            c.send(frame(body))
            got = answer(c)
            assert got is None or "error" in got
            assert c.ended(5)
    with channel() as c:
        c.send(json_frame({"action": "store", "media_type": "text/plain"}) + struct.pack(">I", 100 * 1024 * 1024 + 1))
        got = answer(c)
        assert got is None or "error" in got
    with channel() as c:
        assert len(c.send(json_frame({"action": "store", "media_type": "a\r\nSet-Cookie: x"}) + frame(b"evil")).read_json().get("hash", "")) in (0, 64)


def http(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        out = b""
        while True:
            try:
                more = s.recv(65536)
            except ConnectionError:
                return out
            if not more:
                return out
            out += more


def test_x13_http(daemon, room):
    port = json.loads((daemon.base / "daemon.json").read_text())["blob_port"]
    with Raw(daemon.socket) as c:
        c.hello({"channel": "blob"})
        digest = c.send(json_frame({"action": "store", "media_type": "image/png"}) + frame(b"\x89PNG data")).read_json()["hash"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/blob/{digest}") as r:
        assert r.read() == b"\x89PNG data" and r.headers["Content-Type"] == "image/png"
        assert r.headers["Access-Control-Allow-Origin"] == "*" and r.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/blob/" + "0" * 64, "/blob/xyz", "/blob/../daemon.json", "/blob/%2e%2e%2fdaemon.json", "/", "/etc/passwd", "/blob/" + "0" * 63 + "/"):
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}")
        assert e.value.code in (400, 404), path
    for junk in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"POST /blob/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
                 b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", random.Random(SEED).randbytes(5000)):
        got = http(port, junk)
        assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 5")), (junk[:40], got[:80])
    assert http(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_x13_http_connection_open_at_the_end(daemon):
    """A browser keeps its connections; nothing of them is left behind (sanitizers report by the exit status)."""
    port = json.loads((daemon.base / "daemon.json").read_text())["blob_port"]
    with socket.create_connection(("127.0.0.1", port)) as c:
        c.settimeout(10)
        c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.recv(65536).startswith(b"HTTP/1.1 200")
        daemon.stop()


def test_x14_handshake_flood_with_odd_ids(daemon, room):
    for id in ("", "/", "//", "../x", "x" * 4000, "\u202e\u0000", "/proc/self/mem", "/dev/null", "/dev/zero", "nul\0byte"):
        for channel in ("notebook_sync", "create_notebook", "open_notebook"):
            with Raw(daemon.socket) as c:
                c.hello({"channel": channel, "notebook_id": id, "path": id, "runtime": "python", "protocol": "v2"})
                answer(c)
    assert alive(daemon)
    assert not [p for p in daemon.work.iterdir() if p.name != "t.ipynb"]


def test_x15_fifo_and_device(daemon, work):
    os.mkfifo(work / "fifo.ipynb")
    began = time.monotonic()
    with Raw(daemon.socket) as c:
        info = c.hello({"channel": "open_notebook", "path": str(work / "fifo.ipynb")}).read_json()
        assert info.get("error")
    u = daemon.create()
    u.add("x", "1")
    assert u.save(work / "fifo.ipynb")["result"] == "error"
    assert time.monotonic() - began < 8


def test_x16_huge_notebook_pieces(daemon, work):
    """A cell of 5 MB and ten thousand cells are no bad input."""
    nb.write(work / "big.ipynb", [nb.cell("big", "x" * 5_000_000)])
    c = daemon.open(work / "big.ipynb")
    c.wait("p.cell('big')?.source.length === 5000000", 60)


def test_x17_concurrent_rubbish(daemon, room):
    """Rubbish from eight threads while somebody edits."""
    rng = random.Random(SEED)
    stop = threading.Event()

    def rubbish(seed: int) -> None:
        mine = random.Random(seed)
        while not stop.is_set():
            try:
                with join(daemon, room) as c:
                    c.send(frame(mine.randbytes(mine.randrange(1, 500))))
            except (Closed, OSError):
                pass

    threads = [threading.Thread(target=rubbish, args=(rng.random(),)) for _ in range(8)]
    for t in threads:
        t.start()
    u = daemon.create()
    for i in range(30):
        u.add(f"c{i}", str(i))
        u.wait_acked()
    stop.set()
    for t in threads:
        t.join()
    assert len(u.cells()) == 30


def test_x18_unreadable_request_in_a_row(daemon, work):
    """One answer for each, in their order, also when those behind it had to wait."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    with Raw(daemon.socket) as c:
        c.hello({"channel": "open_notebook", "path": str(t)})
        assert not c.read_json().get("error")
        daemon.faults(f"read stall 0 0 {work}")
        for body in (b'{"action":"save_notebook","format_cells":false}', b'{"action":"no such thing"}', b"no JSON",
                     b'{"action":"get_queue_state"}'):
            c.send(typed(wire.REQUEST, body))
        time.sleep(0.2)
        daemon.faults()
        assert [c.response()["result"] for _ in range(4)] == ["notebook_saved", "error", "error", "queue_state"]


def test_x19_presence_for_a_client_that_does_not_read(daemon, work):
    """Of what a peer does in a channel the last is kept, not all of it."""
    def tell(n):
        return typed(wire.PRESENCE, cbor2.dumps({"type": "update", "peer_id": "local", "channel": "custom", "data": [n] * 1900}))

    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    with Raw(daemon.socket) as deaf, Raw(daemon.socket) as busy:
        for c in (deaf, busy):
            c.hello({"channel": "open_notebook", "path": str(t)})
            assert not c.read_json().get("error")
        for n in range(6000):
            busy.send(tell(n % 200))
        busy.send(tell(255))
        busy.request({"action": "get_queue_state"})
        heard = []
        while not heard or heard[-1] != 255:
            body = deaf.read()
            said = cbor2.loads(body[1:]) if body[0] == wire.PRESENCE else {}
            if said.get("channel") == "custom":
                heard.append(said["data"][0])
        assert len(heard) < 3000, len(heard)


def test_x20_limit_of_open_files(start):
    """The usual soft limit is too low for some hundred rooms; a kernel, which may use select(), starts with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 512:
        pytest.skip("the hard limit is low already")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        daemon = start(kernels=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE) == (min(hard, 1 << 20), hard)
    daemon.create()
    [kernel] = until(daemon.kernels, "a kernel", 60)
    assert resource.prlimit(kernel, resource.RLIMIT_NOFILE) == (256, hard)


def test_x21_started_without_standard_streams(daemon, work):
    """A file or socket that got the number of a closed stream would have the log written into it."""
    daemon.stop()
    with open(daemon.output, "ab") as out:
        daemon.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(BUILD / "runtimed"), "run", *daemon.options],
                                          stdout=out, stderr=out, env=daemon.env, cwd=daemon.cwd)
    until(daemon.answers, "the daemon answers a ping", 30)
    assert [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    nb.write(work / "t.ipynb", nb.sources(1))
    daemon.open(work / "t.ipynb").wait_cell("cell0")
