"""Z1 ... Z4 of rooms.md 15: what must hold after every scenario."""
import itertools
import os

from .daemon import until

numbers = itertools.count(1)


def standing(daemon) -> None:
    one_room_per_file(daemon)
    connections_work(daemon)
    kernels_belong_to_rooms(daemon)
    nothing_outside(daemon)


def one_room_per_file(daemon) -> None:
    paths = [os.path.realpath(id) for id in daemon.rooms() if id.startswith("/")]
    assert len(paths) == len(set(paths)), f"Z1: {paths}"


def id_of(peer) -> str:
    renamed = [e["new_notebook_id"] for e in peer.events("room_renamed")]
    return renamed[-1] if renamed else peer.info.get("notebook_id") or peer.handshake["notebook_id"]


def connections_work(daemon) -> None:
    for peer in [p for p in daemon.peers if p.info is not None and not getattr(p, "broken", False)]:
        if peer.closed:
            continue
        assert not peer.ask("p.error"), f"Z2: {peer.ask('p.error')}"
        cell = peer.add(f"z2-{next(numbers)}", "standing check")
        peer.wait_acked(60)
        fresh = daemon.again(id_of(peer))
        fresh.wait_cell(cell, "standing check")
        peer.delete(cell)
        peer.wait_acked(60)
        fresh.close()


def kernels_belong_to_rooms(daemon) -> None:
    until(lambda: len(daemon.kernels()) <= sum(r["has_kernel"] for r in daemon.rooms().values()), "Z3: a kernel without a room")


def nothing_outside(daemon) -> None:
    assert not list(daemon.cwd.iterdir()), f"Z4: {list(daemon.cwd.iterdir())}"
    # ~/notebooks is where the kernels of untitled notebooks work (kernels.md 3).
    stray = [p for p in daemon.home.iterdir() if p.name not in (".cache", ".config", ".local", ".ipython", ".jupyter", "notebooks")]
    stray += (daemon.home / "notebooks").glob("*")
    assert not stray, f"Z4: {stray}"
    known = {"home", "w", "cwd", "c", "g", "r", "d", "faults", "output", "ipython", "proxy"}
    stray = [p for p in daemon.top.iterdir() if p.name not in known]
    assert not stray, f"Z4: {stray}"
