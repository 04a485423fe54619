"""rooms.md 15 D: rooms go when nobody needs them, and only then."""
import json
import os
import random
import threading
import time
import uuid

from support import cache
from support import notebooks as nb
from support.daemon import stays, until
from support.wire import Raw

SEED = int(os.environ.get("RUNTIMED_TEST_SEED") or time.time())


def test_d1_gone_and_written(start):
    daemon = start(evict_ms=300)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    before = None
    for round in range(50):
        c = daemon.open(t)
        c.set("cell0", f"round {round}")
        c.wait_acked()
        c.close()
        daemon.wait_rooms(seconds=10)
        assert nb.disk(t) == {"cell0": f"round {round}"}
        if round == 4:
            before = daemon.fds()
    until(lambda: daemon.fds() <= before, f"no more descriptors than the {before} after five rounds")


def test_d1_kernel_gone(start):
    daemon = start(kernels=True, evict_ms=300)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    c = daemon.open(t)
    until(lambda: daemon.rooms()[str(t)].get("kernel_status") == "idle", "the kernel", 40)
    assert daemon.kernels()
    c.close()
    daemon.wait_rooms(seconds=20)
    until(lambda: not daemon.kernels(), "no kernel")


def test_d2_promoted_room(start):
    daemon = start(evict_ms=300)
    u = daemon.create()
    v = daemon.sync(u.id)
    u.add("x", "1")
    u.save(daemon.work / "t.ipynb")
    u.close()
    v.close()
    daemon.wait_rooms()
    assert nb.disk(daemon.work / "t.ipynb") == {"x": "1"}


def test_d3_timer_starts_anew(start):
    daemon = start(evict_ms=2000)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    daemon.open(t).close()
    time.sleep(0.8)
    daemon.open(t).close()
    closed = time.monotonic()
    stays(lambda: str(t) in daemon.rooms() or time.monotonic() - closed > 1.9, "present until its own time is over", 1.7)
    daemon.wait_rooms(seconds=5)


def test_d4_close_and_open_around_eviction(start):
    print("seed", SEED)
    rng = random.Random(SEED)
    daemon = start(evict_ms=60)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    for round in range(500 if cache.LONG else 80):
        c = daemon.open(t)
        c.set("cell0", f"round {round}")
        c.wait_acked()
        c.close()
        time.sleep(rng.uniform(0.03, 0.09))
        d = daemon.open(t)
        d.wait_cell("cell0", f"round {round}")
        d.close()
        daemon.peers.clear()


def test_d5_dropped_handshake(start):
    daemon = start(evict_ms=300)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(50))
    for handshake in ({"channel": "open_notebook", "path": str(t)}, {"channel": "create_notebook", "runtime": "python"},
                      {"channel": "notebook_sync", "notebook_id": str(t), "protocol": "v2"},
                      {"channel": "open_notebook", "path": str(daemon.work / "missing.ipynb")}):
        with Raw(daemon.socket) as c:
            c.hello(handshake)
        daemon.wait_rooms(seconds=5)
    assert not (daemon.work / "missing.ipynb").exists()


def test_d6_untitled_after_eviction(start):
    daemon = start(evict_ms=300)
    u = daemon.create()
    u.add_many([{"id": f"u{i}", "source": str(i)} for i in range(20)])
    u.wait_acked()
    u.close()
    daemon.wait_rooms()
    again = daemon.create(u.id)
    again.wait("p.cells().length === 20")
    assert again.id == u.id


def test_d7_journal_fails_at_eviction(start):
    daemon = start(evict_ms=300)
    u = daemon.create()
    u.add("kept", "1")
    u.wait_acked()
    daemon.faults(f"create,write,sync,rename fail 0 5 {daemon.docs}", f"create,write,sync,rename fail 0 5 {daemon.run_dir}")
    u.add("late", "2")
    daemon.settle(u)
    u.close()
    stays(lambda: u.id in daemon.rooms(), "the room stays while its work cannot be written", 3)
    daemon.faults()
    daemon.wait_rooms(seconds=45)
    again = daemon.create(u.id)
    again.wait("p.cells().length === 2")


def test_d8_keep_alive_has_a_floor(start):
    daemon = start()
    daemon.stop()
    settings = daemon.top / "g" / "nteract" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    old = json.loads(settings.read_text()) if settings.exists() else {}
    settings.write_text(json.dumps(old | {"keep_alive_secs": 1}))
    daemon.start()
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    daemon.open(t).close()
    stays(lambda: str(t) in daemon.rooms(), "five seconds at least", 4)
    daemon.wait_rooms(seconds=5)


def test_d9_one_kernel_for_two_openers(start):
    daemon = start(kernels=True, evict_ms=100)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    for _ in range(30 if cache.LONG else 3):
        begun = [daemon.begin({"channel": "open_notebook", "path": str(t)}) for _ in range(2)]
        for peer, info in begun:
            peer.info = info.result(30)
        until(lambda: daemon.rooms()[str(t)].get("kernel_status") == "idle", "a kernel", 40)
        assert len(daemon.kernels()) == 1
        for peer, _ in begun:
            peer.close()
        daemon.wait_rooms(seconds=20)


def test_d10_stop_with_a_client(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    c = daemon.open(t)
    c.set("cell0", "unsaved")
    c.wait_acked()
    assert daemon.pool({"type": "shutdown_notebook", "notebook_id": str(t)}) == {"type": "notebook_shutdown", "found": True}
    c.wait("p.closed")
    assert nb.disk(t) == {"cell0": "unsaved"}
    daemon.wait_rooms()
    again = daemon.open(t)
    again.wait_cell("cell0", "unsaved")
    daemon.wait_rooms(str(t))
    assert daemon.pool({"type": "shutdown_notebook", "notebook_id": str(uuid.uuid4())})["found"] is False


def test_d11_load_failed_room_goes(start):
    daemon = start(evict_ms=300)
    t = daemon.work / "t.ipynb"
    t.write_bytes(b"not json")
    threads = []
    for _ in range(4):
        def open_it():
            with Raw(daemon.socket) as c:
                c.hello({"channel": "open_notebook", "path": str(t)}).ended(3)
        threads.append(threading.Thread(target=open_it))
        threads[-1].start()
    for thread in threads:
        thread.join()
    daemon.wait_rooms()
    nb.write(t, nb.sources(1))
    daemon.open(t).wait_cell("cell0")


def test_d12_failed_launch_with_work_waiting(start, tmp_path):
    """Queued cells keep a room without peers; when the kernel they wait for does not come, they do no longer."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ipykernel_launcher*) sleep 1; exit 1;; esac\nexec {cache.KERNEL_PYTHON} "$@"\n')
    python.chmod(0o755)
    daemon = start(evict_ms=100, env={"RUNTIMED_PYTHON": str(python)})
    c = daemon.create()
    c.add("x", "1")
    c.wait_acked()
    assert c.request("execute_cell", cell_id="x")["result"] == "cell_queued"
    c.close()
    daemon.wait_rooms(seconds=20)


def test_d14_eviction_falls_due_during_a_save_onto_the_room(start):
    """Its last peer leaves while another notebook is being written onto its file: the room waits to be folded."""
    daemon = start(evict_ms=100)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(2))
    viewer = daemon.open(t)
    viewer.wait_cell("cell1")
    u = daemon.create()
    u.add("x", "1")
    u.wait_acked()
    daemon.faults(daemon.stall_rename(t))
    response = u.begin_save(t)
    until(lambda: list(daemon.work.glob(".t.ipynb.*")), "the temporary file is written")
    viewer.close()
    stays(lambda: str(t) in daemon.rooms() and not response.done(), "the room stays while the save goes on", 1)
    daemon.faults()
    assert response.result(30)["new_notebook_id"] == str(t)
    daemon.wait_rooms(str(t))
    assert nb.disk(t) == u.sources() == {"x": "1"}
