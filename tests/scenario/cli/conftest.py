import os
import pathlib
import subprocess

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
