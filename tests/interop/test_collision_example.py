"""examples/collision.py with real clients."""
import subprocess

import pytest

from support.cache import SOURCE
from support.clients import MARCH, environment, interpreter


@pytest.mark.parametrize("version", MARCH)
def test_collision(daemon, version):
    env = environment(version, daemon.home) | {"RUNTIMED_SOCKET_PATH": str(daemon.socket), "TMPDIR": str(daemon.work)}
    for _ in range(5):
        done = subprocess.run([*interpreter(), str(SOURCE / "examples/collision.py")], env=env, capture_output=True, text=True, timeout=90,
                              cwd=daemon.work)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "One room, nothing lost." in done.stdout
