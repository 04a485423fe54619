import os
import pathlib
import subprocess
import time

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("RUNTIMED_BUILD") or SOURCE / "build")


class Runt:
    """`runt` with a home and a cache of its own."""

    def __init__(self, home: pathlib.Path):
        self.home = home
        self.cache = home / ".cache"
        self.base = self.cache / "runt"
        drop = ("RUNTIMED_", "RUNT_", "XDG_", "JUPYTER_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(drop) or k == "RUNTIMED_BUILD"}
        self.env.update(HOME=str(home), XDG_CACHE_HOME=str(self.cache), XDG_RUNTIME_DIR=str(home / "run"))

    def __call__(self, *args, cwd=None, check=None, timeout=60, **env):
        done = subprocess.run([str(BUILD / "runt"), *map(str, args)], env={**self.env, **env}, cwd=cwd or self.home,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check is not None:
            assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        return done


@pytest.fixture
def runt(tmp_path_factory):
    home = tmp_path_factory.mktemp("h")
    return Runt(home)


USER_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


@pytest.fixture
def living(runt):
    """`runt` with a real daemon beside it: kernels from the default environment, no pool to fill."""
    runt.base.mkdir(parents=True)
    for name in ("default-env", "tools"):
        (runt.base / name).symlink_to(USER_CACHE / "runt" / name)
    daemon = subprocess.Popen([str(BUILD / "runtimed"), "run", "--uv-pool-size", "0", "--conda-pool-size", "0"], env=runt.env,
                              cwd=runt.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while runt("daemon", "ping").returncode:
        assert daemon.poll() is None and time.monotonic() < end, "the daemon does not come up"
    runt.daemon = daemon
    yield runt
    runt("daemon", "shutdown")
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
