"""rooms.md 15 I: random work by eight clients over five paths and five untitled
notebooks, saves onto each other's paths, kills. What was acknowledged is found."""
import json
import os
import random
import subprocess
import time

from support import cache, checks
from support import notebooks as nb
from support.daemon import BUILD, until

SECONDS = 600 if cache.LONG else 20
SEED = int(os.environ.get("RUNTIMED_TEST_SEED") or time.time())


class World:
    def __init__(self, daemon, rng):
        self.daemon, self.rng = daemon, rng
        self.paths = [daemon.work / f"p{i}.ipynb" for i in range(5)]
        self.untitled, self.ids = [], []  # those in use; all there ever were
        self.clients = []  # [peer, cells it added and not yet known acknowledged]
        self.acknowledged = {}  # cell id -> source
        self.where = {}  # cell id -> the notebook it was added to, and when
        self.number, self.saves = 0, []
        self.kept, self.looked_at = set(), set()  # cells seen in snapshots, of which only the newest five stay

    def look_at_snapshots(self) -> None:
        for path in (self.daemon.docs / "snapshots").glob("*"):
            if path in self.looked_at or path.suffix not in (".ipynb", ".automerge"):
                continue
            try:
                if path.suffix == ".ipynb":
                    self.kept |= set(nb.disk(path))
                else:
                    done = subprocess.run([str(BUILD / "automerge"), "json", str(path)], capture_output=True, check=True)
                    self.kept |= set(json.loads(done.stdout).get("cells", {}))
            except FileNotFoundError:
                continue
            self.looked_at.add(path)

    def join(self) -> None:
        rng, d = self.rng, self.daemon
        lib, skeleton = rng.choice(["old", "new"]), rng.random() < 0.5
        kind = rng.random()
        if kind < 0.5 or len(self.untitled) < 2:
            if kind < 0.35 and self.paths:
                peer = d.open(rng.choice(self.paths), lib=lib, skeleton=skeleton)
            else:
                peer = d.create(lib=lib, skeleton=skeleton)
                self.untitled = (self.untitled + [peer.id])[-5:]
                self.ids.append(peer.id)
        else:
            peer = d.sync(rng.choice(self.untitled), lib=lib, skeleton=skeleton)
        self.clients.append((peer, {}))

    def add(self, peer, mine) -> None:
        self.number += 1
        id = f"s{self.number}"
        peer.wait("p.doc.cells", 10)
        peer.add(id, f"soak {self.number}")
        mine[id] = f"soak {self.number}"
        self.where[id] = (checks.id_of(peer), peer.name, time.strftime("%H:%M:%S"))

    def note(self, peer, mine) -> None:
        """What of this client's work is acknowledged by now."""
        if mine and peer.ask("p.acked()"):
            self.acknowledged.update(mine)
            mine.clear()

    def step(self) -> None:
        rng = self.rng
        if len(self.clients) < 8 and rng.random() < 0.4 or not self.clients:
            self.join()
            return
        peer, mine = rng.choice(self.clients)
        what = rng.random()
        if peer.closed:
            self.clients.remove((peer, mine))
        elif what < 0.6:
            self.add(peer, mine)
        elif what < 0.75:
            cells = peer.ids()
            if cells:
                peer.set(rng.choice(cells), f"{peer.name} was here")
        elif what < 0.85:
            self.saves.append(peer.begin_save(rng.choice(self.paths) if rng.random() < 0.7 else None))
        elif what < 0.9:
            self.note(peer, mine)
            peer.close()
            self.clients.remove((peer, mine))
            self.daemon.peers.remove(peer)
        self.note(peer, mine)
        self.look_at_snapshots()

    def kill(self) -> None:
        for peer, mine in self.clients:
            self.note(peer, mine)
        self.daemon.kill()
        for peer, _ in self.clients:
            self.daemon.peers.remove(peer)
        self.clients = []
        self.daemon.start()

    def quiet(self) -> None:
        for peer, mine in self.clients:
            if not peer.closed:
                peer.wait_acked(20)
                self.note(peer, mine)
        checks.standing(self.daemon)

    def missing(self) -> set:
        """Acknowledged cells that are in no live document, no file and no snapshot. (A cell's text may be
        another client's by now; a cell itself is never removed here.)"""
        daemon, left = self.daemon, set(self.acknowledged)
        for save in self.saves:
            save.exception(40)  # whether it went well or not: it is over
        for path in daemon.work.glob("*.ipynb"):
            left -= set(nb.disk(path))
        for id in {*daemon.rooms(), *self.ids, *map(str, self.paths)}:
            if left:
                peer = daemon.again(id)
                left -= set(peer.ids())
                peer.close()
                daemon.peers.remove(peer)
        self.look_at_snapshots()
        return left - self.kept


def test_i1_soak(start):
    print("seed", SEED)
    daemon = start(evict_ms=200)
    world = World(daemon, random.Random(SEED))
    end, next_kill, next_quiet = time.monotonic() + SECONDS, time.monotonic() + min(60, SECONDS / 3), time.monotonic() + 5
    base = None
    while time.monotonic() < end:
        if time.monotonic() > next_kill:
            next_kill += min(60, SECONDS / 3)
            world.kill()
            base = None
        if time.monotonic() > next_quiet:
            next_quiet = time.monotonic() + 5
            world.quiet()
            base = base or (daemon.fds(), daemon.rss())
        world.step()
    world.quiet()
    for peer, _ in world.clients:
        peer.close()
    until(lambda: all(not r["active_peers"] for r in daemon.rooms().values()), "all are gone", 30)
    assert len(world.acknowledged) > SECONDS
    missing = world.missing()
    assert not missing, {id: world.where[id] for id in sorted(missing)}
    until(lambda: daemon.fds() <= base[0] + 40, f"descriptors: {base[0]} then {daemon.fds()}", 10)
    assert daemon.rss() < base[1] * 3 + (200 << 20), (base[1], daemon.rss())
