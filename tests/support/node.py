"""Raw Automerge peers: verbs of the scenarios, carried out by peer.mjs."""
import concurrent.futures
import itertools
import json
import pathlib
import subprocess
import threading

from . import cache


class Node:
    """One process, many peers. Every verb exists twice: name() waits, begin() does not."""

    def __init__(self):
        self.process = subprocess.Popen(["node", str(pathlib.Path(__file__).with_name("peer.mjs"))], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1, env=cache.clean_env())
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()
        self.versions = self.call("version", 240)

    def read(self) -> None:
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.lock:
                future = self.waiting.pop(answer["id"], None)
            if future is None:
                continue
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer["ok"])
        with self.lock:
            left, self.waiting = self.waiting, {}
        for future in left.values():
            future.set_exception(RuntimeError("the node process ended"))

    def begin(self, verb: str, **args) -> concurrent.futures.Future:
        future = concurrent.futures.Future()
        with self.lock:
            number = next(self.numbers)
            self.waiting[number] = future
            self.process.stdin.write(json.dumps({"id_": number, "verb": verb, **args}) + "\n")
            self.process.stdin.flush()
        return future

    def call(self, verb: str, seconds: float = 60.0, **args):
        return self.begin(verb, **args).result(seconds)

    def stop(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Peer:
    """One connection. Conditions of wait() and ask() are JavaScript over `p` (class Peer in peer.mjs)."""

    numbers = itertools.count(1)

    def __init__(self, node: Node):
        self.node = node
        self.name = f"p{next(self.numbers)}"
        self.info = None

    def connect(self, socket, handshake: dict, **options) -> "Peer":
        self.info = self.begin_connect(socket, handshake, **options).result(60)
        return self

    def begin_connect(self, socket, handshake: dict, **options) -> concurrent.futures.Future:
        return self.node.begin("connect", peer=self.name, socket=str(socket), handshake=handshake, **options)

    def call(self, verb: str, seconds: float = 60.0, **args):
        return self.node.call(verb, seconds, peer=self.name, **args)

    def begin(self, verb: str, **args):
        return self.node.begin(verb, peer=self.name, **args)

    @property
    def id(self) -> str:
        return self.info["notebook_id"]

    def add(self, id: str, source: str = "", **more) -> str:
        self.call("add", id=id, source=source, **more)
        return id

    def add_soon(self, id: str, source: str = ""):
        """A future: the cell is added once the document is there."""
        return self.begin("addSoon", id=id, source=source)

    def add_many(self, cells: list) -> None:
        self.call("addMany", cells=cells)

    def set(self, id: str, source: str) -> None:
        self.call("set", id=id, source=source)

    def splice(self, id: str, at: int, remove: int, text: str) -> None:
        self.call("splice", id=id, at=at, remove=remove, text=text)

    def delete(self, id: str) -> None:
        self.call("del", id=id)

    def meta(self, key: str, value) -> None:
        self.call("meta", key=key, value=value)

    def request(self, action: str, **fields) -> dict:
        return self.call("request", body={"action": action, **fields})

    def begin_request(self, action: str, **fields):
        return self.begin("request", body={"action": action, **fields})

    def save(self, path=None) -> dict:
        return self.request("save_notebook", format_cells=False, **({"path": str(path)} if path is not None else {}))

    def begin_save(self, path=None):
        return self.begin_request("save_notebook", format_cells=False, **({"path": str(path)} if path is not None else {}))

    def wait(self, expression: str, seconds: float = 15.0):
        return self.begin("wait", expression=expression, timeout=int(seconds * 1000)).result(seconds + 30)

    def ask(self, expression: str):
        return self.call("ask", expression=expression)

    def wait_cell(self, id: str, source=None, seconds: float = 15.0) -> None:
        cell = f"p.cell({json.dumps(id)})"
        self.wait(f"{cell}?.source === {json.dumps(source)}" if source is not None else f"!!{cell}", seconds)

    def wait_event(self, name: str, seconds: float = 15.0, **more) -> dict:
        return self.wait(f"p.event({json.dumps(name)}, {json.dumps(more)})", seconds)

    def wait_acked(self, seconds: float = 15.0) -> None:
        self.wait("p.acked() && p.level()", seconds)

    def cells(self) -> list:
        return self.ask("p.cells()")

    def sources(self) -> dict:
        return {c["id"]: c["source"] for c in self.cells()}

    def ids(self) -> list:
        return [c["id"] for c in self.cells()]

    def events(self, name=None) -> list:
        all = self.ask("p.events")
        return [e for e in all if name in (None, e["event"])]

    def heads(self) -> list:
        return self.ask("p.heads()")

    def state(self) -> dict:
        return self.call("state")

    def document(self) -> dict:
        return self.call("document")

    @property
    def closed(self) -> bool:
        return self.ask("p.closed")

    def close(self) -> None:
        self.call("close")
