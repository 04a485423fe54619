"""rooms.md 15 G: kills, restarts, recovery."""
import base64
import errno
import hashlib
import json
import os
import signal
import socket
import time
import uuid

import pytest

from support import cache
from support import notebooks as nb
from support.daemon import until

U = {f"u{i}": f"u = {i}" for i in range(3)}


def journal(daemon, id: str):
    return daemon.docs / (hashlib.sha256(id.encode()).hexdigest() + ".automerge")


def untitled(daemon, cells=None):
    u = daemon.create()
    for id, source in (cells or U).items():
        u.add(id, source)
    u.wait_acked()
    return u


def has_died(daemon, answer) -> bool:
    """The answer is there or the daemon gone: is it, or about to go? Connections of a killed process close before
    its parent hears of it."""
    if answer.done() and answer.exception():
        daemon.wait_dead(30)
    elif answer.done() and daemon.process.poll() is None:
        time.sleep(0.2)
    return daemon.process.poll() is not None


def crash(daemon) -> None:
    daemon.kill()
    for p in daemon.peers:
        p.broken = True
    daemon.faults()
    daemon.start()


def test_g1_untitled(daemon):
    u = untitled(daemon)
    time.sleep(1)
    crash(daemon)
    again = daemon.create(u.id)
    again.wait("p.cells().length === 3")
    assert again.sources() == U and again.id == u.id


def test_g2_saved(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    c = daemon.open(t)
    c.wait_cell("cell0")
    c.add("x", "1")
    time.sleep(0.7)
    crash(daemon)
    again = daemon.open(t)
    again.wait_cell("x", "1")
    assert again.ids() == ["cell0", "x"]
    until(lambda: nb.on_disk(t, x="1"), "and saved, once it is open", 10)


@pytest.mark.parametrize("kind", ["untitled", "saved", "promoted"])
def test_g1a_g2a_acknowledged_means_durable(daemon, work, kind):
    """SIGKILL the moment the acknowledgement has come; twenty edits, each acknowledged on its own."""
    for round in range(20 if cache.LONG else 4):
        t = work / f"t{round}.ipynb"
        if kind == "saved":
            nb.write(t, nb.sources(1))
            c = daemon.open(t, lib="old")
        else:
            c = daemon.create(lib="old")
            c.add("first", "0")
            c.wait_acked()
            if kind == "promoted":
                c.save(t)
        for i in range(5):
            c.add(f"x{i}", str(i))
            c.wait_acked()
        c.add("maybe", "not acknowledged")
        id = c.id if kind == "untitled" else str(t)
        crash(daemon)
        again = daemon.create(id) if kind == "untitled" else daemon.open(t)
        for i in range(5):
            again.wait_cell(f"x{i}", str(i))
        again.close()


def test_g3_sigterm(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    c = daemon.open(t)
    u = untitled(daemon)
    c.wait_cell("cell0")
    c.add("x", "1")
    c.wait_acked()
    time.sleep(0.1)
    daemon.stop()
    assert nb.on_disk(t, x="1")
    assert not daemon.socket.exists() and not (daemon.base / "daemon.json").exists()
    c.wait("p.closed")
    daemon.start()
    daemon.create(u.id).wait("p.cells().length === 3")


def test_g3_shutdown_request(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, nb.sources(1))
    c = daemon.open(t)
    c.wait_cell("cell0")
    c.add("x", "1")
    c.wait_acked()
    assert daemon.pool({"type": "shutdown"}) == {"type": "shutting_down"}
    assert daemon.wait_dead() == 0
    assert nb.on_disk(t, x="1")


def test_g3_second_signal(daemon):
    untitled(daemon)
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait_dead(10) == 0


def check_after_crash(daemon, u, t, ops) -> None:
    if t.exists():
        assert nb.disk(t) == U, ops
    again = daemon.create(u.id)
    again.wait("p.cells().length === 3")
    assert again.sources() == U, ops
    if again.id == str(t):
        opened = daemon.open(t)
        opened.wait("p.cells().length === 3")
        assert opened.sources() == U, ops
        daemon.wait_rooms(str(t))
        opened.close()
    else:
        assert again.id == u.id
    again.add("later", "works")
    again.wait_acked()
    assert not list(t.parent.glob(f".{t.name}.*")), f"stray temporary files, {ops}"
    again.close()


def test_g4_kill_at_every_step_of_a_promotion(start):
    """Dies before the first, second, ... change on disk after the save request, until there is no such change left."""
    daemon = start(evict_ms=100)
    for step in range(1, 80):
        t = daemon.work / f"t{step}.ipynb"
        u = untitled(daemon)
        u.broken = True
        daemon.faults(f"change crash {step} 0 *")
        response = u.begin_save(t)
        until(lambda: response.done() or daemon.process.poll() is not None, "an answer or the end", 30)
        died = has_died(daemon, response)
        if not died:
            daemon.faults()
            assert response.result()["result"] == "notebook_saved"
            assert nb.disk(t) == U
            u.close()
            break
        assert daemon.process.returncode == -signal.SIGKILL
        if response.done() and not response.exception():
            assert nb.disk(t) == U, "success was reported"
        daemon.faults()
        daemon.start()
        check_after_crash(daemon, u, t, f"step {step}")
    else:
        raise AssertionError("a save takes more than eighty changes on disk")
    assert step > 4, "nothing was tried"


def test_g4_kill_at_every_step_of_an_autosave(start):
    daemon = start(evict_ms=100)
    for step in range(1, 60):
        t = daemon.work / f"t{step}.ipynb"
        before = nb.write(t, nb.sources(2))
        c = daemon.open(t)
        c.broken = True
        c.wait_cell("cell1")
        c.add("x", "1")
        c.wait_acked()
        daemon.faults(f"change crash {step} 0 *")
        answer = c.begin_save()
        until(lambda: answer.done() or daemon.process.poll() is not None, "an answer or the end", 30)
        died = has_died(daemon, answer)
        daemon.faults()
        assert t.read_bytes() == before or nb.on_disk(t, x="1", cell0="x0 = 0\n", cell1="x1 = 1\n"), f"a half-written file at step {step}"
        if not died:
            assert answer.result()["result"] == "notebook_saved" and nb.on_disk(t, x="1")
            c.close()
            break
        daemon.start()
        again = daemon.open(t)
        again.wait_cell("x", "1")
        assert again.ids() == ["cell0", "cell1", "x"], f"step {step}"
        assert not list(t.parent.glob(f".{t.name}.*")), f"stray temporary files at step {step}"
        again.close()
    assert step > 2


def test_g5_orphan_kernels(start):
    daemon = start(kernels=True)
    u = daemon.create()
    until(lambda: daemon.rooms()[u.id].get("kernel_status") == "idle", "the kernel", 40)
    old = daemon.kernels()
    assert old
    u.broken = True
    crash(daemon)
    until(lambda: not set(old) & set(daemon.kernels()), "the orphan is gone", 15)


def test_g6_damaged_journal(daemon):
    id = str(uuid.uuid4())
    path = journal(daemon, id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"garbage, no journal" * 50)
    c = daemon.create(id)
    assert c.cells() == []
    until(lambda: path.with_suffix(".automerge.corrupt").exists(), "the damaged one is kept aside")
    c.add("x", "1")
    c.wait_acked()


def test_g6_torn_journal(daemon):
    """The last append was cut by a power loss: what was acknowledged before stays."""
    u = untitled(daemon)
    u.broken = True
    daemon.kill()
    with open(journal(daemon, u.id), "ab") as f:
        f.write(b"\x85\x6f\x4a\x83 half a change")
    daemon.start()
    again = daemon.create(u.id)
    again.wait("p.cells().length === 3")
    again.add("x", "1")
    again.wait_acked()
    again.broken = True
    crash(daemon)
    daemon.create(u.id).wait("p.cells().length === 4")


def test_g7_snapshots_are_bounded(start):
    daemon = start(evict_ms=50)
    t = daemon.work / "t.ipynb"
    for round in range(7):
        nb.write(t, [nb.cell("cell0", f"outside {round}")])
        c = daemon.open(t)
        c.wait_cell("cell0")
        c.broken = True
        c.add(f"x{round}", "1")
        c.wait_acked()
        daemon.kill()
        daemon.start()
    digest = hashlib.sha256(str(t).encode()).hexdigest()
    assert len(list((daemon.docs / "snapshots").glob(digest + "-*.automerge"))) <= 5


def test_g8_document_of_the_references_own_layout(daemon, work):
    id = str(uuid.uuid4())
    data = base64.b64decode(daemon.node.call("legacy", notebook=id, cells=[{"id": f"l{i}", "source": f"l = {i}"} for i in range(3)]))
    journal(daemon, id).parent.mkdir(parents=True, exist_ok=True)
    journal(daemon, id).write_bytes(data)
    u = daemon.create(id)
    u.wait("p.cells().length === 3")
    assert u.sources() == {f"l{i}": f"l = {i}" for i in range(3)}
    t = work / "t.ipynb"
    p = daemon.open(t)
    assert u.save(t)["result"] == "notebook_saved"
    p.wait("p.cells().length === 3")
    p.set("l1", "edited by p")
    u.wait_cell("l1", "edited by p")
    daemon.level(u, p)
    assert [f for f in (daemon.docs / "snapshots").glob("*") if f.read_bytes() == data], "the original is kept"


def test_g9_file_changed_while_the_daemon_was_down(daemon, work):
    """design.md 7.14: the journal holds its base; the load does the watcher's three-way merge."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(2))
    c = daemon.open(t)
    c.wait_cell("cell1")
    c.broken = True
    c.set("cell0", "edited inside")
    c.wait_acked()
    daemon.kill()
    nb.write(t, [nb.cell("cell0", "x0 = 0\n"), nb.cell("cell1", "edited outside")])
    daemon.start()
    again = daemon.open(t)
    again.wait_cell("cell0", "edited inside")
    again.wait_cell("cell1", "edited outside")
    until(lambda: nb.on_disk(t, cell0="edited inside", cell1="edited outside"), "the file has both", 10)


def test_g9_edits_after_such_a_merge_are_durable(daemon, work):
    """What the merge changed must be in the journal before edits that build on it."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(2))
    for round in range(4):
        c = daemon.open(t)
        c.wait_cell("cell1")
        c.broken = True
        c.add(f"inside{round}", "x")
        c.wait_acked()
        daemon.kill()
        outside = nb.parse(t)
        outside["cells"].append(nb.cell(f"outside{round}", "y"))
        t.write_text(json.dumps(outside))
        daemon.start()
        again = daemon.open(t)
        again.wait_cell(f"outside{round}")
        again.broken = True
        again.add(f"after{round}", "z")
        again.wait_acked()
        daemon.kill()
        daemon.start()
        last = daemon.open(t)
        for name in ("inside", "outside", "after"):
            last.wait_cell(f"{name}{round}")
        last.close()


def test_g10_second_daemon(daemon):
    """protocol.md 2.4: names the holder, exit status 0, disturbs nothing."""
    import subprocess
    from support.daemon import BUILD
    c = daemon.create()
    done = subprocess.run([str(BUILD / "runtimed"), "run"], env=daemon.env, capture_output=True, text=True, timeout=30, cwd=daemon.cwd)
    assert done.returncode == 0 and str(daemon.pid) in done.stdout + done.stderr
    c.add("x", "1")
    c.wait_acked()


def test_g11_stale_socket(daemon):
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert os.stat(daemon.socket).st_mode & 0o777 == 0o600


def killed_while_dirty(daemon, t, outside):
    """An edit that no file has, an outside edit merged beside it, SIGKILL before the autosave."""
    c = daemon.open(t)
    c.wait_cell("cell1")
    daemon.faults(daemon.fault_write(t, errno.EIO))  # the autosave's turn does not come
    c.add("inside", "1")
    c.wait_acked()
    nb.write(t, outside)
    c.wait_cell("outside")
    time.sleep(0.2)  # the sidecar
    crash(daemon)


def test_g12_unsaved_edit_beside_an_outside_one(start):
    """The heads after such a merge are not the file's: the edit is still to be written."""
    daemon = start(evict_ms=100)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(2))
    killed_while_dirty(daemon, t, [*nb.sources(2), nb.cell("outside", "2")])
    again = daemon.open(t)
    again.wait_cell("inside", "1")
    until(lambda: nb.on_disk(t, inside="1", outside="2"), "the file gets what the journal had", 10)
    again.close()


def test_g12_and_another_outside_edit_while_down(start):
    daemon = start(evict_ms=100)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(2))
    killed_while_dirty(daemon, t, [*nb.sources(2), nb.cell("outside", "2")])
    daemon.stop()
    nb.write(t, [*nb.sources(2), nb.cell("outside", "2"), nb.cell("later", "3")])
    daemon.start()
    again = daemon.open(t)
    again.wait_cell("later", "3")
    assert again.sources() == {"cell0": "x0 = 0\n", "cell1": "x1 = 1\n", "inside": "1", "outside": "2", "later": "3"}
    until(lambda: nb.on_disk(t, inside="1", outside="2", later="3"), "all in the file", 10)


def test_g13_killed_between_a_write_and_its_note(daemon, work):
    """The file is the daemon's own, also when nothing was noted behind the rename: text typed on meanwhile
    is no conflict with it."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(2))
    c = daemon.open(t)
    c.wait_cell("cell1")
    c.set("cell0", "first text")
    daemon.faults(f"sync stall 2 0 {t.parent}")  # the first is of the temporary file, this of the directory
    until(lambda: nb.on_disk(t, cell0="first text"), "renamed", 10)
    c.set("cell0", "other words")
    c.wait_acked()
    crash(daemon)
    again = daemon.open(t)
    again.wait_cell("cell0", "other words")
    assert again.ids() == ["cell0", "cell1"]
    until(lambda: nb.on_disk(t, cell0="other words"), "saved", 10)
    assert set(nb.disk(t)) == {"cell0", "cell1"}


def test_g14_the_service_manager_is_told(start, tmp_path):
    """systemd's Type=notify: READY=1 once connections are accepted, STOPPING=1 at the end."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        daemon = start(env={"NOTIFY_SOCKET": str(path)})
        assert b"READY=1" in manager.recv(4096).split(b"\n")
        daemon.stop()
        assert b"STOPPING=1" in manager.recv(4096).split(b"\n")


def test_g15_one_daemon_per_worktree(start):
    """RUNTIMED_WORKSPACE_PATH: state of its own, and daemon.json says whose (protocol.md 2.1, 2.3)."""
    daemon = start()
    daemon.stop()
    (daemon.work / ".context").mkdir()
    (daemon.work / ".context/workspace-description").write_text("\n  two words \n")
    daemon.base /= f"worktrees/{hashlib.sha256(str(daemon.work).encode()).hexdigest()[:12]}"
    daemon.socket = daemon.base / "runtimed.sock"
    daemon.env["RUNTIMED_WORKSPACE_PATH"] = str(daemon.work)
    daemon.start()
    record = json.loads((daemon.base / "daemon.json").read_text())
    assert (record["worktree_path"], record["workspace_description"]) == (str(daemon.work), "two words")
    assert record["endpoint"] == str(daemon.socket) and daemon.runt("daemon", "ping").returncode == 0
    # What notebooks printed is nobody else's business.
    assert daemon.base.stat().st_mode & 0o777 == 0o700


def test_g16_stop_while_a_file_is_slow(daemon, work):
    """A file that takes longer than the end of its room: the daemon ends cleanly, and the edit is there once."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(3))
    peer = daemon.open(t)
    peer.add("x", "1")
    peer.wait_acked()
    daemon.faults(daemon.stall_rename(t))
    daemon.process.terminate()
    until(lambda: "t.ipynb: not written (" in daemon.log(), "its room does not wait for ever", 20)
    daemon.faults()
    assert daemon.wait_dead() == 0
    daemon.start()
    again = daemon.open(t)
    again.wait("p.cells().length === 4")
    assert again.sources()["x"] == "1"
    until(lambda: nb.on_disk(t, x="1"), "the file has it", 10)
