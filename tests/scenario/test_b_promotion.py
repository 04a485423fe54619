"""rooms.md 15 B: an untitled notebook gets a path while others open that path."""
import os
import random
import time

import pytest

from support import cache
from support import notebooks as nb
from support.daemon import Sampler, stays, until

ROUNDS = 200 if cache.LONG else 20
SEED = int(os.environ.get("RUNTIMED_TEST_SEED") or time.time())


def untitled(daemon, cells=3, **options):
    u = daemon.create(**options)
    for i in range(cells):
        u.add(f"u{i}", f"u = {i}")
    u.wait_acked()
    return u


def saved(daemon, path):
    """B1: (saver, second peer, path)"""
    u = daemon.create()
    v = daemon.sync(u.id)
    for i in range(3):
        u.add(f"u{i}", f"u = {i}")
    daemon.level(u, v)
    response = u.save(path)
    assert response == {"result": "notebook_saved", "path": str(path), "new_notebook_id": str(path)}
    return u, v


def test_b1_promotion(daemon, work):
    t = work / "t.ipynb"
    u, v = saved(daemon, t)
    for peer in (u, v):
        peer.wait_event("room_renamed", new_notebook_id=str(t))
    order = u.ask("p.log.filter(f => f[1] === '<' && (f[2] === 2 || f[2] === 3)).map(f => f[2])")
    assert 3 in order[order.index(2):], "the saver hears room_renamed after its response"
    assert daemon.wait_rooms(str(t))[str(t)]["active_peers"] == 2
    assert nb.disk(t) == {f"u{i}": f"u = {i}" for i in range(3)}


def test_b2_open_after_promotion(daemon, work):
    t = work / "t.ipynb"
    u, v = saved(daemon, t)
    p = daemon.open(t)
    assert p.id == str(t)
    p.wait_cell("u2")
    p.add("from-p", "p")
    u.wait_cell("from-p", "p")
    u.add("from-u", "u")
    p.wait_cell("from-u", "u")
    daemon.level(u, v, p)


def spellings(work, name):
    (work / "a").mkdir(exist_ok=True)
    if not (work / "link").exists():
        (work / "link").symlink_to(work)
    return {"plain": work / name, "symlink": work / "link" / name, "dots": f"{work}/a/../{name}"}


def race(daemon, work, rng, number, how, channel, edits):
    """One round: a save and three openers within 50 ms."""
    t = work / f"t{number}.ipynb"
    path = str(spellings(work, t.name)[how])
    handshake = {"channel": "open_notebook", "path": path} if channel == "open" else \
        {"channel": "notebook_sync", "notebook_id": path, "protocol": "v2"}
    u = untitled(daemon, lib=rng.choice(["old", "new"]))
    plan = sorted([(rng.uniform(0, 0.05), "save")] + [(rng.uniform(0, 0.05), i) for i in range(3)], key=lambda x: x[0])
    openers, added, began = [], [], time.monotonic()
    for at, what in plan:
        time.sleep(max(0, began + at - time.monotonic()))
        if what == "save":
            response = u.begin_save(t)
            continue
        peer, info = daemon.begin(handshake, lib=rng.choice(["old", "new"]), skeleton=rng.random() < 0.5)
        openers.append((peer, info))
        if edits:
            added.append(peer.add_soon(f"o{what}", f"opener {what}"))
    assert response.result(40)["result"] == "notebook_saved"
    for peer, info in openers:
        peer.info = info.result(40)
    for future in added:
        future.result(40)
    return t, u, [p for p, _ in openers]


def finish(daemon, t, peers, expected):
    daemon.settle(*peers)
    daemon.level(*peers)
    for p in peers:
        assert p.sources() == expected or sorted(p.sources()) == sorted(expected), (t, p.sources())
    rooms = daemon.rooms()
    assert str(t) in rooms and rooms[str(t)]["active_peers"] == len(peers)
    assert not [r for r in rooms if r not in (str(t),) and not rooms[r]["active_peers"] == 0], rooms
    for p in peers:
        p.close()


@pytest.mark.parametrize("how,channel", [("plain", "open"), ("plain", "sync"), ("symlink", "open"), ("dots", "open")],
                         ids=["b3_open", "b5_sync", "b5_symlink", "b5_dots"])
def test_b3_b5_save_against_openers(start, how, channel):
    print("seed", SEED)
    rng = random.Random(SEED)
    daemon = start(evict_ms=300)
    for number in range(ROUNDS if (how, channel) == ("plain", "open") else max(5, ROUNDS // 4)):
        t, u, openers = race(daemon, daemon.work, rng, number, how, channel, edits=False)
        finish(daemon, t, [u, *openers], {f"u{i}": f"u = {i}" for i in range(3)})


def test_b4_save_against_typing_openers(start):
    print("seed", SEED)
    rng = random.Random(SEED)
    daemon = start(evict_ms=5000)
    for number in range(ROUNDS):
        t, u, openers = race(daemon, daemon.work, rng, number, "plain", "open", edits=True)
        expected = {f"u{i}": f"u = {i}" for i in range(3)} | {f"o{i}": f"opener {i}" for i in range(3)}
        for p in [u, *openers]:
            p.wait(f"p.cells().length === {len(expected)}", 20)
        until(lambda: nb.on_disk(t, **expected), "all cells on disk", 8)
        finish(daemon, t, [u, *openers], expected)


def test_b6_idle_opener_of_a_missing_file(daemon, work):
    t = work / "t.ipynb"
    p = daemon.open(t)
    u = untitled(daemon)
    assert u.save(t)["result"] == "notebook_saved"
    expected = {f"u{i}": f"u = {i}" for i in range(3)}
    p.wait("p.cells().length === 3")
    stays(lambda: u.sources() == p.sources() == nb.disk(t) == expected, "all show u's cells", 6)


def test_b7_open_during_a_slow_save(daemon, work):
    t = work / "t.ipynb"
    u = untitled(daemon)
    daemon.faults(daemon.stall_rename(t))
    with Sampler(daemon) as sampler:
        response = u.begin_save(t)
        until(lambda: list(work.glob(".t.ipynb.*")), "the temporary file is written")
        p, info = daemon.begin({"channel": "open_notebook", "path": str(t)})
        stays(lambda: not info.done() and not response.done(), "the open waits for the save", 1)
        daemon.faults()
        assert response.result(30)["new_notebook_id"] == str(t)
        p.info = info.result(30)
        p.wait("p.cells().length === 3")
    assert p.id == str(t) and p.sources() == u.sources()
    assert all(len(s) == 1 for s in sampler.samples), [s for s in sampler.samples if len(s) != 1]


def test_b8_autosave_after_promotion(daemon, work):
    t = work / "t.ipynb"
    u, _ = saved(daemon, t)
    u.add("later", "l = 1")
    until(lambda: nb.on_disk(t, later="l = 1"), "autosaved", 5)
    u.wait_event("notebook_autosaved", path=str(t))
