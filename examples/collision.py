#!/usr/bin/env python3
"""Two people, one path: the case this project began with.

Ada writes in an untitled notebook. Bob opens the path `shared.ipynb`, which does
not exist yet, and begins to type. At that moment Ada saves her notebook to the
very same path. Both go on typing.

What must hold: one room, both see the same cells, nothing that anyone typed is
lost, and the file has it all. Exit status 0 only then.

    pip install "runtimed==2.0.8"
    build/runt daemon start
    python examples/collision.py

The socket is the default one of the daemon, or RUNTIMED_SOCKET_PATH."""
import asyncio
import json
import os
import pathlib
import sys
import tempfile
import time

import runtimed


def socket_path() -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("RUNTIMED_SOCKET_PATH") or os.path.join(cache, "runt", "runtimed.sock")


async def until(condition, what: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.02)


def sources(notebook) -> list:
    return [cell.source for cell in notebook.cells]


def on_disk(path: pathlib.Path) -> list:
    try:
        cells = json.loads(path.read_text())["cells"]
    except (OSError, ValueError):
        return []
    return [c["source"] if isinstance(c["source"], str) else "".join(c["source"]) for c in cells]


async def main() -> int:
    ada_client = runtimed.Client(socket_path=socket_path(), peer_label="Ada")
    bob_client = runtimed.Client(socket_path=socket_path(), peer_label="Bob")
    path = pathlib.Path(tempfile.mkdtemp(prefix="collision-")).resolve() / "shared.ipynb"

    ada = await ada_client.create_notebook()
    for text in ("title = 'Ada'", "data = [1, 2, 3]"):
        await ada.cells.create(text)
    print(f"Ada works in an untitled notebook, {ada.notebook_id}")

    bob = await bob_client.open_notebook(str(path))
    await bob.cells.create("bob = 'was here first'")
    print(f"Bob has opened {path}, which did not exist, and typed a cell")

    saving = asyncio.create_task(ada.save_as(str(path)))
    bob_cell = await bob.cells.create("typed = 'while Ada saves'")
    saved = await saving
    print(f"Ada has saved to {saved}")

    await ada.cells.create("after = 'Ada goes on'")
    await bob_cell.append("  # and Bob goes on")
    wanted = {"title = 'Ada'", "data = [1, 2, 3]", "bob = 'was here first'", "typed = 'while Ada saves'  # and Bob goes on",
              "after = 'Ada goes on'"}

    for name, notebook in (("Ada", ada), ("Bob", bob)):
        await until(lambda: wanted <= set(sources(notebook)), f"{name} sees every cell, has {sources(notebook)}")
    await until(lambda: sources(ada) == sources(bob), "both see the same, in the same order")
    await until(lambda: wanted <= set(on_disk(path)), f"the file has every cell, has {on_disk(path)}")
    rooms = [n.notebook_id for n in await ada_client.list_active_notebooks() if n.active_peers]
    mine = [r for r in rooms if r in (str(path), ada.notebook_id)]
    if mine != [str(path)] or ada.notebook_id != str(path):
        raise SystemExit(f"FAILED: the rooms are {rooms}, Ada is in {ada.notebook_id}")

    print("Both see, and the file holds:")
    for text in sources(ada):
        print("   ", text)
    print("One room, nothing lost.")
    return 0


if __name__ == "__main__":
    status = asyncio.run(main())
    sys.stdout.flush()
    # The client's threads do not always survive the interpreter's own end.
    os._exit(status)
