"""Where the tests keep what they install: never in the tree, never in the state of a daemon."""
import contextlib
import fcntl
import os
import pathlib
import shutil

SOURCE = pathlib.Path(__file__).resolve().parents[2]
USER_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
ROOT = USER_CACHE / "runtimed-build"
UV = USER_CACHE / "runt/tools/uv-venv/bin/uv"
# An interpreter with ipykernel, ipywidgets, nbformat and nbconvert.
KERNEL_PYTHON = USER_CACHE / "runt/default-env/bin/python"
UV_CACHE = pathlib.Path(os.environ.get("UV_CACHE_DIR") or USER_CACHE / "uv")
LONG = bool(os.environ.get("RUNTIMED_TEST_LONG"))


def clean_env() -> dict:
    """The caller's environment without what would bend a client or a daemon."""
    drop = ("RUNTIMED_", "RUNT_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "RUST_LOG", "NOTIFY_SOCKET", "JUPYTER_")
    return {k: v for k, v in os.environ.items() if not k.startswith(drop)}


@contextlib.contextmanager
def installed(name: str):
    """Yields (folder, fresh). A fresh folder is the caller's to fill; it counts as
    installed once the block ends without an exception. One installer at a time."""
    folder = ROOT / name
    ROOT.mkdir(parents=True, exist_ok=True)
    with open(ROOT / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / ".ready").exists():
            yield folder, False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder, True
        (folder / ".ready").touch()
