"""A daemon under test, with a home, cache, work and socket folder of its own."""
import errno
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import cache, wire
from .node import Peer

BUILD = pathlib.Path(os.environ.get("RUNTIMED_BUILD") or cache.SOURCE / "build")


def until(condition, what: str, seconds: float = 15.0, pause: float = 0.01):
    """Asks again until it is true; the value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def stays(condition, what: str, seconds: float) -> None:
    """Fails as soon as it is not true within this time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"did not stay: {what}"
        time.sleep(0.02)


class Daemon:
    """options: daemon command line. kernels: kernels of the default environment may start."""

    def __init__(self, node, *options: str, kernels: bool = False, evict_ms=None, env=None):
        self.node = node
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="rt-", dir=os.environ.get("RUNTIMED_TEST_DIR") or "/tmp")).resolve()
        self.home, self.work, self.cwd = self.top / "home", self.top / "w", self.top / "cwd"
        self.cache_home, self.run_dir = self.top / "c", self.top / "r"
        for folder in (self.home, self.work, self.cwd, self.cache_home, self.top / "g", self.run_dir):
            folder.mkdir(mode=0o700)
        self.base = self.cache_home / "runt"
        self.socket = self.base / "runtimed.sock"
        self.docs = self.base / "notebook-docs"
        self.script = self.top / "faults"
        self.output = self.top / "output"
        self.options = ["--uv-pool-size", "0", "--conda-pool-size", "0", *options]
        self.env = cache.clean_env() | {
            "HOME": str(self.home), "XDG_CACHE_HOME": str(self.cache_home), "XDG_CONFIG_HOME": str(self.top / "g"),
            "XDG_RUNTIME_DIR": str(self.run_dir), "XDG_DATA_HOME": str(self.top / "d"), "UV_CACHE_DIR": str(cache.UV_CACHE),
            "RUNTIMED_FAULTS": str(self.script), "RUST_LOG": "info", "IPYTHONDIR": str(self.top / "ipython")}
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        if evict_ms is not None:
            self.env["RUNTIMED_EVICT_MS"] = str(evict_ms)
        # Without kernels nothing that could start one is in reach.
        self.env["RUNTIMED_PYTHON"] = str(cache.KERNEL_PYTHON) if kernels else "/nonexistent/python"
        self.env.update(env or {})
        self.process = None
        self.peers = []
        self.cleanups = []
        self.starts = 0

    # ---- the process ----

    def start(self) -> "Daemon":
        self.starts += 1
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen([str(BUILD / "runtimed"), "run", *self.options], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, env=self.env, cwd=self.cwd)
        until(self.answers, "the daemon answers a ping", 30)
        return self

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}\n{self.logs()}")
        try:
            return self.pool({"type": "ping"}).get("type") == "pong"
        except (OSError, wire.Closed):
            return False

    def stop(self, seconds: float = 30.0) -> None:
        """SIGTERM; the daemon must end by itself, with status 0 (sanitizers report by another one)."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon did not end within {seconds} s of SIGTERM") from None
        assert status == 0, f"the daemon ended with {status}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait_dead(self, seconds: float = 15.0) -> int:
        return self.process.wait(seconds)

    def restart(self) -> "Daemon":
        self.stop()
        return self.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def fds(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss(self) -> int:
        """Bytes."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def kernels(self) -> list:
        """Process ids of kernels that this daemon, or one before it here, started."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                mine = f"HOME={self.home}".encode() in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mine and any(b"ipykernel" in word for word in command):
                found.append(int(entry.name))
        return found

    def log(self) -> str:
        path = self.base / "runtimed.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        out = self.output.read_text(errors="replace") if self.output.exists() else ""
        return f"--- output\n{out[-8000:]}\n--- log\n{self.log()[-6000:]}"

    # ---- faults (src/host/fault.h) ----

    def faults(self, *rules: str) -> None:
        """Replaces the rules in force; none lets stalled operations go on."""
        new = self.script.with_suffix(".new")
        new.write_text("".join(r + "\n" for r in rules))
        os.replace(new, self.script)

    def fault_write(self, path, number: int = errno.EACCES) -> str:
        """A rule: the temporary file of a save beside this path cannot be made."""
        path = pathlib.Path(path)
        return f"create,write fail 0 {number} {path.parent / ('.' + path.name)}"

    def stall_rename(self, path) -> str:
        path = pathlib.Path(path)
        return f"rename stall 0 0 {path.parent / ('.' + path.name)}"

    # ---- what peers ask ----

    def pool(self, message: dict) -> dict:
        return wire.pool(self.socket, message)

    def rooms(self) -> dict:
        rooms = self.pool({"type": "list_rooms"})["rooms"]
        ids = [r["notebook_id"] for r in rooms]
        assert len(ids) == len(set(ids)), ids
        return {r["notebook_id"]: r for r in rooms}

    def wait_rooms(self, *ids: str, seconds: float = 15.0) -> dict:
        wanted = sorted(ids)
        until(lambda: sorted(self.rooms()) == wanted, f"the rooms are {wanted}, not {sorted(self.rooms())}", seconds)
        return self.rooms()

    def begin(self, handshake: dict, **options):
        """(peer, future of its info)"""
        peer = Peer(self.node)
        peer.handshake = handshake
        self.peers.append(peer)
        return peer, peer.begin_connect(self.socket, handshake, **options)

    def connect(self, handshake: dict, ready: bool = True, **options) -> Peer:
        peer, info = self.begin(handshake, **options)
        peer.info = info.result(60)
        if ready and not options.get("silent") and not options.get("drop"):
            peer.wait("p.level()", 30)
        return peer

    def open(self, path, **options) -> Peer:
        return self.connect({"channel": "open_notebook", "path": str(path)}, **options)

    def create(self, id=None, runtime: str = "python", **options) -> Peer:
        extra = {"notebook_id": id} if id else {}
        return self.connect({"channel": "create_notebook", "runtime": runtime, **extra}, **options)

    def sync(self, id, **options) -> Peer:
        return self.connect({"channel": "notebook_sync", "notebook_id": str(id), "protocol": "v2"}, **options)

    def again(self, id: str, **options) -> Peer:
        """A fresh connection to the notebook of this id."""
        return self.open(id, **options) if id.startswith("/") else self.sync(id, **options)

    def settle(self, *peers: Peer, quiet: float = 0.3, seconds: float = 20.0) -> None:
        """Until none of them (all of this daemon's) got a frame for a while."""
        names = [p.name for p in (peers or self.peers) if p.info is not None]
        self.node.call("settle", seconds + 30, peers=names, quiet=int(quiet * 1000), timeout=int(seconds * 1000))

    def level(self, *peers: Peer, seconds: float = 15.0) -> list:
        """Until all have the same heads, everything acknowledged; the heads."""
        for p in peers:
            p.wait_acked(seconds)
        until(lambda: len({tuple(p.heads()) for p in peers}) == 1, "equal heads", seconds)
        return peers[0].heads()

    def runt(self, *arguments: str, timeout: float = 60.0, **more) -> subprocess.CompletedProcess:
        return subprocess.run([str(BUILD / "runt"), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env=self.env, cwd=self.work, **more)

    # ---- the end ----

    def at_stop(self, cleanup) -> None:
        self.cleanups.append(cleanup)

    def end(self) -> None:
        for cleanup in reversed(self.cleanups):
            cleanup()
        for peer in self.peers:
            try:
                peer.close()
            except AssertionError:
                pass

    def destroy(self) -> None:
        """Whatever happened, nothing of this daemon stays."""
        if self.process and self.process.poll() is None:
            self.kill()
        for pid in self.kernels():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not os.environ.get("RUNTIMED_TEST_KEEP"):
            shutil.rmtree(self.top, ignore_errors=True)


class Sampler:
    """Looks at the rooms every few milliseconds while something happens (rooms.md B7)."""

    def __init__(self, daemon: Daemon):
        self.daemon = daemon
        self.samples = []
        self.going = True
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.thread.join()

    def run(self) -> None:
        while self.going:
            self.samples.append(sorted(self.daemon.rooms()))
            time.sleep(0.005)

