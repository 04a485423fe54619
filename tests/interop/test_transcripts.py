"""The recorded conversations of original clients (tests/data/wire): the client's half is said
again to our daemon and the answers are compared, where they do not depend on the run."""
import base64
import json
import re

import pytest

from support.cache import SOURCE
from support.daemon import until
from support.wire import Closed, Raw, frame

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# (transcript, what the recorder noted, number of the connection after that note; the generation, if it is
# not both) -> why ours differs.
CLOSES_FIRST = "the original closes without a word; ours says why first (protocol.md 13, Robust)"
ANY_VERSION = "the pool channel is served at any version, as later originals do (today.md 2.1)"
DIFFERENCES = {
    ("bad-input", "version byte 1, pool ping", 0): ANY_VERSION,
    ("bad-input", "version byte 3, pool ping", 0): ANY_VERSION,
    ("bad-input", "version byte 4, pool ping", 0): ANY_VERSION,
    ("bad-input", "version byte 9, pool ping", 0): ANY_VERSION,
    ("bad-input", "version byte 1, notebook_sync", 0): CLOSES_FIRST,
    ("bad-input", "version byte 3, notebook_sync", 0): CLOSES_FIRST,
    ("bad-input", "version byte 4, notebook_sync", 0): CLOSES_FIRST,
    ("bad-input", "version byte 9, notebook_sync", 0): CLOSES_FIRST,
    ("bad-input", "handshake lacks a required field", 0): CLOSES_FIRST,
    ("bad-input", "pool: unknown request type", 0): CLOSES_FIRST,
    ("bad-input", "open_notebook of a file that is not JSON", 0): "the file is parsed before the info, which then carries the error",
    ("bad-input", "notebook connection: unknown action", 0): "an error response keeps requests and responses paired; the connection lives on",
    ("bad-input", "notebook connection: request lacks a required field", 0): "as for an unknown action",
    ("bad-input", "notebook connection: unknown frame type 0x2a", 0, "2.0.2"): "skipped, as by 2.0.8",
    ("channels", "raw peer: blob channel", 0): CLOSES_FIRST,
    ("channels", "raw peer: pool_state_subscribe", 0, "2.0.8"): "served still, for 2.0.2",
    ("pool", "get_daemon_info", 0): "answered, as by later originals",
    ("pool", "active_env_paths", 0): "no pool here: the test's kernel runs in an environment that is nobody's to remove",
}


class Conversation:
    def __init__(self, note: str, number: int):
        self.note, self.number = note, number
        self.steps = []  # ("client", kind, bytes) | ("daemon", bytes)
        self.closed_by = None


def read(generation: str, name: str) -> list:
    found, note, count, by_conn = [], "", 0, {}
    for line in (SOURCE / "tests/data/wire" / generation / f"{name}.jsonl").read_text().splitlines():
        o = json.loads(line)
        if o.get("event") == "note":
            if not o["text"].startswith("  ->"):
                note, count = o["text"], 0
        elif o.get("event") == "open":
            by_conn[o["conn"]] = Conversation(note, count)
            found.append(by_conn[o["conn"]])
            count += 1
        elif o.get("event") == "close":
            by_conn[o["conn"]].closed_by = o["by"]
        else:
            data = bytes.fromhex(o["hex"]) if "hex" in o else base64.b64decode(o["base64"])
            by_conn[o["conn"]].steps.append((o["dir"], o.get("kind", "frame"), data))
    return found


def json_of(body: bytes):
    """What a frame of the daemon says in JSON; None for documents and presence."""
    if body[:1] in (b"\2", b"\3"):
        body = body[1:]
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def deterministic(value) -> bool:
    return value is not None and (value.get("event") in (None, "runtime_state_snapshot"))


def shape(value):
    """Values that differ from run to run are reduced to their type."""
    if isinstance(value, dict):
        # Whether and how far a kernel has come depends on the pool.
        return {k: sorted(v) if k == "kernel" else shape(v) for k, v in value.items() if k != "daemon_version"}
    if isinstance(value, list):
        return [shape(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return "number"
    value = UUID.sub("<uuid>", value)
    value = re.sub(r"^(Notebook not found): .*", r"\1", value)  # what follows names a path
    return re.sub(r'"?/[^"\']*envs/[^"\']*"?', "<path>", value)


def covers(ours, theirs) -> bool:
    """Ours may say more (clients ignore unknown keys), never less or other."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return all(k in ours and covers(ours[k], v) for k, v in theirs.items())
    if isinstance(theirs, list) and isinstance(ours, list) and theirs and all(isinstance(x, str) for x in theirs + ours):
        return set(theirs) <= set(ours)
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(covers, ours, theirs))
    return ours == theirs


class Replay:
    def __init__(self, daemon, rename: dict):
        self.daemon, self.rename = daemon, rename
        self.seen, self.wanted = [], []

    def ours(self, data: bytes) -> bytes:
        for old, new in self.rename.items():
            data = data.replace(old.encode(), new.encode())
        return data

    def next_json(self, c: Raw) -> bool:
        while True:
            value = json_of(c.read())
            if deterministic(value):
                self.seen.append(shape(value))
                return True

    def catch_up(self, c: Raw) -> None:
        while len(self.seen) < len(self.wanted):
            self.next_json(c)

    def run(self, conversation: Conversation) -> tuple:
        with Raw(self.daemon.socket, 3) as c:
            try:
                for side, kind, data in conversation.steps:
                    if side == "daemon":
                        value = json_of(data)
                        if deterministic(value):
                            self.wanted.append(shape(json.loads(self.ours(json.dumps(value, ensure_ascii=False).encode()))))
                    elif kind != "frame":
                        c.send(data)
                    elif not (data[:2] in (b"\0\x43", b"\5\x43", b"\6\x43") or data[:1] in (b"\x42", b"\x43")):
                        # Sync messages of the recording answer heads that ours does not have.
                        self.catch_up(c)
                        c.send(frame(self.ours(data)))
                self.catch_up(c)
                # What else ours has to say before it closes or falls silent.
                c.socket.settimeout(4 if conversation.closed_by == "daemon" else 0.4)
                while self.next_json(c):
                    pass
            except (Closed, BrokenPipeError, ConnectionResetError):
                end = "daemon"
            except TimeoutError:
                end = "client"
        return self.seen, self.wanted, end


def compare(daemon, generation: str, name: str, rename: dict, conversations) -> None:
    differences = {k[:3]: why for k, why in DIFFERENCES.items() if k[0] == name and k[3:] in ((), (generation,))}
    wrong, unused = [], set(differences)
    for conversation in conversations:
        key = (name, conversation.note, conversation.number)
        request = next((json_of(d) for s, k, d in conversation.steps if s == "client" and k == "frame" and b'"type"' in d), None)
        if name == "pool" and request and (name, request["type"], 0) in differences:
            key = (name, request["type"], 0)
        seen, wanted, end = Replay(daemon, rename).run(conversation)
        same = covers(seen, wanted) and end == conversation.closed_by
        if key in differences:
            unused.discard(key)
            if same:
                wrong.append(f"{key} is the same now: its row of DIFFERENCES can go")
        elif not same:
            wrong.append(f"{key}\n  wanted {wanted}, closed by {conversation.closed_by}\n  got    {seen}, closed by {end}")
    assert not wrong, generation + "\n" + "\n".join(wrong)
    assert not unused, f"rows of DIFFERENCES without a conversation: {unused}"


both = pytest.mark.parametrize("generation", ["2.0.2", "2.0.8"])


@both
def test_pool(start, generation):
    daemon = start("--uv-pool-size", "0", kernels=True)
    conversations = read(generation, "pool")
    id = next(json.loads(d)["notebook_id"] for c in conversations for s, k, d in c.steps if s == "client" and b"inspect_notebook" in d)
    before = [c for c in conversations if not any(id.encode() in d for _, _, d in c.steps)][:3]
    compare_part = conversations[len(before):]
    for c in before:
        seen, wanted, end = Replay(daemon, {}).run(c)
        assert covers(seen, wanted) and end == c.closed_by, (c.note, seen, wanted)
    room = daemon.create(id)
    room.broken = True
    until(lambda: daemon.rooms()[id].get("kernel_status") == "idle", "the kernel", 40)
    compare(daemon, generation, "pool", {"/home/ada/lab": str(daemon.work)}, compare_part)
    assert room.closed


@both
def test_channels(daemon, generation):
    conversations = [c for c in read(generation, "channels") if "settings_sync" not in c.note]
    compare(daemon, generation, "channels", {}, conversations)


@both
def test_bad_input(daemon, generation):
    (daemon.work / "broken.ipynb").write_text("this is not JSON")
    compare(daemon, generation, "bad-input", {"/home/ada/lab": str(daemon.work)}, read(generation, "bad-input"))
    assert (daemon.work / "broken.ipynb").read_text() == "this is not JSON"
    assert not (daemon.work / "absent.ipynb").exists()
    assert daemon.pool({"type": "ping"})["type"] == "pong"
