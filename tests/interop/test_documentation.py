"""What README.md and ./run tell people to type works, with the clients they have."""
import re
import subprocess

from support import clients
from support import notebooks as nb
from support.cache import SOURCE


def typed(version: str, text: str, daemon) -> str:
    env = clients.environment(version, daemon.home) | {"RUNTIMED_SOCKET_PATH": str(daemon.socket)}
    done = subprocess.run([*clients.interpreter(), "-c", text], env=env, cwd=daemon.work, capture_output=True, text=True, timeout=120)
    # Not its status: now and then this client's own threads abort it after the last line, as Python ends.
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def readme() -> str:
    [block] = re.findall(r"```python\n(.*?)```", (SOURCE / "README.md").read_text(), re.S)
    return block


def what_next() -> str:
    [lines] = re.findall(r"Join the notebook from Python.*\n((?:      .*\n)+)", (SOURCE / "run").read_text())
    return re.sub(r"^      ", "", lines, flags=re.M)


def test_joining_from_python(start):
    version = "2.0.8"  # the one that both name
    daemon = start(kernels=True)
    t = daemon.work / "plot.ipynb"
    nb.write(t, nb.sources(1))
    block, lines = readme(), what_next()
    assert all(f"runtimed=={version}" in text for text in (block, (SOURCE / "run").read_text()))
    assert '"/home/ada/plot.ipynb"' in block and '"$(realpath -m "$notebook")"' in lines
    assert typed(version, block.replace("/home/ada/plot.ipynb", str(t)), daemon) == "42\n\n"
    assert "Notebook(" in typed(version, lines.replace('"$(realpath -m "$notebook")"', repr(str(t))), daemon)
