"""The unmodified `runtimed` clients of PyPI, each release in a folder of its own.

Their wheels want glibc 2.39 (Debian 13). On an older system the interpreter is
started through the loader of a newer glibc, unpacked beside the wheels; nothing
is installed into the system."""
import json
import os
import pathlib
import platform
import queue
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

from . import cache

LOADER = "ld-linux-x86-64.so.2"
MARCH = ("2.0.2", "2.0.8")

# Around every script of a test: helpers, and the result as the last line of stdout.
PRELUDE = """
import asyncio, json, os, sys, time
import runtimed
ARGS = json.loads(sys.argv[1])
SOCKET = ARGS["socket"]

async def until(condition, what, seconds=20.0):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %s s: %s" % (seconds, what))
        await asyncio.sleep(0.02)

def client(label="tester"):
    return runtimed.Client(socket_path=SOCKET, peer_label=label)

def say(**event):
    sys.stdout.write("EVENT " + json.dumps(event) + "\\n")
    sys.stdout.flush()

def hear():
    line = sys.stdin.readline()
    if not line:
        raise SystemExit("the test went away")
    return json.loads(line)

async def listen():
    return await asyncio.get_running_loop().run_in_executor(None, hear)
"""

POSTLUDE = """
_result = asyncio.run(main())
sys.stdout.write("RESULT " + json.dumps(_result) + "\\n")
sys.stdout.flush()
os._exit(0)
"""


def glibc_is_new_enough() -> bool:
    major, minor = (int(x) for x in platform.libc_ver()[1].split(".")[:2])
    return (major, minor) >= (2, 39)


def newer_libc() -> pathlib.Path:
    with cache.installed("libc") as (folder, fresh):
        if fresh:
            fetch_libc(folder)
    return folder / "root/usr/lib/x86_64-linux-gnu"


def archive() -> str:
    """Where this machine takes its own packages from."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    return run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {codename}"]).split()[0]


def fetch_libc(folder: pathlib.Path) -> None:
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = f"[signed-by={keyring}]" if os.path.exists(keyring) else "[trusted=yes]"
    (folder / "sources.list").write_text(f"deb {signed} {archive()} trixie main\n")
    options = [f"-oDir::Etc::sourcelist={folder}/sources.list", "-oDir::Etc::sourceparts=/dev/null", f"-oDir::State::lists={folder}/lists",
               f"-oDir::Cache={folder}", f"-oDir::Cache::archives={folder}/archives", "-oAPT::Sandbox::User=root"]
    run(["apt-get", *options, "update", "-qq"], cwd=folder)
    run(["apt-get", *options, "download", "-qq", "libc6"], cwd=folder)
    run(["dpkg-deb", "-x", str(next(folder.glob("libc6_*.deb"))), str(folder / "root")], cwd=folder)


def run(command: list, **more) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=cache.clean_env(), **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def wheel(version: str) -> pathlib.Path:
    with cache.installed(f"client-{version}") as (folder, fresh):
        if fresh:
            run([str(cache.UV), "pip", "install", "-q", "--target", str(folder), "--python-platform", "x86_64-manylinux_2_39",
                 "--python-version", f"3.{sys.version_info.minor}", "--only-binary", ":all:", "--no-deps", f"runtimed=={version}"])
    return folder


def interpreter() -> list:
    """The command that starts Python so that the wheels load."""
    python = os.path.realpath(sys.executable)
    if glibc_is_new_enough():
        return [python]
    libs = newer_libc()
    path = f"{libs}:{pathlib.Path(sys.base_prefix) / 'lib'}:/usr/lib/x86_64-linux-gnu"
    return [str(libs / LOADER), "--library-path", path, python]


def environment(version: str, home: pathlib.Path) -> dict:
    env = cache.clean_env()
    env.update(PYTHONPATH=str(wheel(version)), HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), PYTHONDONTWRITEBYTECODE="1",
               PYTHONUNBUFFERED="1")
    env.pop("ASAN_OPTIONS", None)
    return env


class Script:
    """A client program in a process of its own. `async def main()` of its text returns
    the result; with say() and listen() it keeps in step with the test."""

    def __init__(self, version: str, text: str, daemon, socket=None, **args):
        self.version = version
        self.errors = tempfile.TemporaryFile("w+")
        self.lines = queue.Queue()
        program = PRELUDE + textwrap.dedent(text) + POSTLUDE
        self.process = subprocess.Popen(
            [*interpreter(), "-c", program, json.dumps({"socket": str(socket or daemon.socket), **args})], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment(version, daemon.home), cwd=daemon.work)
        threading.Thread(target=self.read, daemon=True).start()
        daemon.at_stop(self.end)

    def read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def next(self, prefix: str, timeout: float):
        """The next line of this kind, parsed; fails when the script ends or says something else first."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"client {self.version} says nothing for {timeout} s\n{self.trouble()}") from None
            if line is None:
                raise AssertionError(f"client {self.version} failed\n{self.trouble()}")
            if line.startswith(prefix):
                return json.loads(line[len(prefix):])
            assert not line.startswith(("EVENT ", "RESULT ")), f"client {self.version} says {line} in place of {prefix}"

    def tell(self, **message) -> None:
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def event(self, timeout: float = 60.0) -> dict:
        """What the script says next."""
        return self.next("EVENT ", timeout)

    def result(self, timeout: float = 120.0):
        return self.next("RESULT ", timeout)

    def trouble(self) -> str:
        self.errors.seek(0)
        return self.errors.read()[-6000:]

    def end(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


def run_script(version: str, text: str, daemon, timeout: float = 120.0, **args):
    return Script(version, text, daemon, **args).result(timeout)
