"""rooms.md 15 C: saves onto paths that are open elsewhere (admission table 11.4, fold 11.5)."""
import time

import pytest

from support import notebooks as nb
from support.daemon import stays, until

U = {f"u{i}": f"u = {i}" for i in range(3)}


def untitled(daemon, **cells):
    u = daemon.create()
    for id, source in (cells or U).items():
        u.add(id, source)
    u.wait_acked()
    return u


def success(response, path):
    assert response == {"result": "notebook_saved", "path": str(path), "new_notebook_id": str(path)}


def refused(response):
    assert response["result"] == "error" and "already open" in response["error"], response


def snapshots(daemon, content: bytes) -> list:
    return [p for p in (daemon.docs / "snapshots").glob("*") if p.read_bytes() == content]


def test_c1_absorb(daemon, work):
    t = work / "t.ipynb"
    p = daemon.open(t)
    u = untitled(daemon)
    success(u.save(t), t)
    p.wait("p.cells().length === 3")
    assert p.sources() == U and not p.closed
    p.set("u1", "edited by p")
    u.wait_cell("u1", "edited by p")
    daemon.wait_rooms(str(t))
    daemon.level(u, p)
    p.wait_event("room_renamed", new_notebook_id=str(t))


def test_c2_union(daemon, work):
    t = work / "t.ipynb"
    u = untitled(daemon)
    p = daemon.open(t)
    p.add("x", "of p")
    p.wait_acked()
    success(u.save(t), t)
    expected = ["u0", "u1", "u2", "x"]
    for c in (u, p):
        c.wait("p.cells().length === 4")
        assert c.ids() == expected
    until(lambda: nb.on_disk(t, **U, x="of p"), "the file has all", 5)
    assert list(nb.disk(t)) == expected
    daemon.wait_rooms(str(t))
    p.set("x", "more of p")
    u.wait_cell("x", "more of p")
    daemon.level(u, p)


def test_c3_replace_a_viewer(daemon, work):
    t = work / "t.ipynb"
    old = nb.write(t, nb.sources(2))
    v = daemon.open(t)
    v.wait("p.cells().length === 2")
    u = untitled(daemon)
    success(u.save(t), t)
    v.wait("p.cells().length === 3")
    assert v.sources() == U == nb.disk(t)
    assert snapshots(daemon, old), "the old bytes are kept"
    daemon.wait_rooms(str(t))
    v.set("u0", "by the viewer")
    u.wait_cell("u0", "by the viewer")
    daemon.level(u, v)


def test_c4_refuse_an_author(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(2))
    v = daemon.open(t)
    v.wait("p.cells().length === 2")
    v.set("cell0", "edited by v")
    until(lambda: nb.on_disk(t, cell0="edited by v"), "v's edit is autosaved")
    time.sleep(0.5)
    content, mtime = t.read_bytes(), t.stat().st_mtime_ns
    u = untitled(daemon)
    until(lambda: daemon.rooms()[u.id]["has_kernel"], "u's kernel", 40)
    v_log = v.ask("p.events.length")
    refused(u.save(t))
    assert t.read_bytes() == content and t.stat().st_mtime_ns == mtime
    assert v.ask("p.events.slice(%d).filter(e => e.event === 'room_renamed').length" % v_log) == 0
    rooms = daemon.wait_rooms(str(t), u.id)
    assert rooms[u.id]["has_kernel"] and rooms[u.id]["active_peers"] == 1
    again = daemon.sync(u.id)
    again.wait("p.cells().length === 3")
    assert again.sources() == U
    v.set("cell1", "goes on")
    v.wait_acked()


def test_c5_two_untitled_one_path(daemon, work):
    t = work / "t.ipynb"
    u1, u2 = untitled(daemon, a="1"), untitled(daemon, b="2")
    daemon.faults(daemon.stall_rename(t))
    one = u1.begin_save(t)
    until(lambda: list(work.glob(".t.ipynb.*")), "the first save is under way")
    two = u2.begin_save(t)
    stays(lambda: not one.done() and not two.done(), "both wait", 0.3)
    daemon.faults()
    success(one.result(30), t)
    refused(two.result(30))
    assert nb.disk(t) == {"a": "1"}
    daemon.wait_rooms(str(t), u2.id)
    assert u2.sources() == {"b": "2"} == daemon.sync(u2.id).sources()


def test_c6_dormant_occupant(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    nb.write(t, nb.sources(1))
    v = daemon.open(t)
    until(lambda: daemon.rooms()[str(t)].get("kernel_status") == "idle", "v's kernel", 40)
    theirs = set(daemon.kernels())
    assert len(theirs) == 1
    v.close()
    until(lambda: daemon.rooms()[str(t)]["active_peers"] == 0, "v is gone")
    u = untitled(daemon)
    success(u.save(t), t)
    until(lambda: not theirs & set(daemon.kernels()), "the leftover kernel is gone", 15)
    assert daemon.open(t).sources() == U
    daemon.wait_rooms(str(t))


def test_c7_failed_write(daemon, work):
    t = work / "t.ipynb"
    u = untitled(daemon)
    daemon.faults(daemon.stall_rename(t))
    response = u.begin_save(t)
    until(lambda: list(work.glob(".t.ipynb.*")), "the temporary file is written")
    p, info = daemon.begin({"channel": "open_notebook", "path": str(t)})
    stays(lambda: not info.done(), "the open is parked", 0.3)
    daemon.faults(f"rename fail 0 13 {work}/.t.ipynb")
    answer = response.result(30)
    # The stalled operation itself went through or failed, according to where it stood.
    if answer["result"] == "error":
        assert "Failed to write" in answer["error"], answer
        p.info = info.result(30)
        assert p.id == str(t) and p.cells() == []
        daemon.wait_rooms(str(t), u.id)
        assert not t.exists() and not list(work.glob(".t.ipynb.*"))
    else:
        p.info = info.result(30)
    daemon.faults()


@pytest.mark.parametrize("number", [13, 5, 28, 30], ids=["EACCES", "EIO", "ENOSPC", "EROFS"])
def test_c7_failed_write_errors(daemon, work, number):
    t = work / "t.ipynb"
    u = untitled(daemon)
    daemon.faults(daemon.fault_write(t, number))
    answer = u.save(t)
    assert answer["result"] == "error" and "Failed to write" in answer["error"], answer
    assert not t.exists() and list(work.iterdir()) == []
    daemon.wait_rooms(u.id)
    p = daemon.open(t)
    assert p.cells() == []
    daemon.wait_rooms(u.id, str(t))
    daemon.faults()
    success(u.save(t), t)
    p.wait("p.cells().length === 3")


def test_c8_same_ids_union(daemon, work):
    t = work / "t.ipynb"
    p = daemon.open(t)
    p.add("c1", "A")
    p.wait_acked()
    u = untitled(daemon, c1="B")
    success(u.save(t), t)
    for c in (u, p):
        c.wait("p.cells().length === 2")
        assert c.cells()[0]["id"] == "c1" and [x["source"] for x in c.cells()] == ["B", "A"]
    until(lambda: sorted(nb.disk(t).values()) == ["A", "B"], "both on disk")
    p.set("c1", "by p")
    u.wait_cell("c1", "by p")
    u.set("c1", "by u")
    p.wait_cell("c1", "by u")
    daemon.level(u, p)


def test_c8_same_ids_replace(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, [nb.cell("c1", "A")])
    v = daemon.open(t)
    v.wait_cell("c1", "A")
    u = untitled(daemon, c1="B")
    success(u.save(t), t)
    v.wait_cell("c1", "B")
    assert v.sources() == u.sources() == {"c1": "B"}
    v.set("c1", "by v")
    u.wait_cell("c1", "by v")
    u.set("c1", "by u")
    v.wait_cell("c1", "by u")
    daemon.level(u, v)


def test_c8_equal_cells_stay_one(daemon, work):
    t = work / "t.ipynb"
    p = daemon.open(t)
    p.add("c1", "same")
    p.wait_acked()
    u = untitled(daemon, c1="same")
    success(u.save(t), t)
    daemon.settle(u, p)
    assert p.sources() == u.sources() == {"c1": "same"}


@pytest.mark.parametrize("mine,ours", [("cell0", {"u0": "u = 0"}), ("u0", {"u0": "u = 0"})], ids=["own_cell", "same_id"])
def test_c9_edit_made_unaware(daemon, work, mine, ours):
    """v has not read a byte of the fold when it edits a cell that the fold dropped."""
    t = work / "t.ipynb"
    nb.write(t, [nb.cell(mine, "loaded"), nb.cell("other", "loaded too")])
    v = daemon.open(t)
    v.wait_cell(mine, "loaded")
    u = untitled(daemon, **ours)
    v.call("pauseReading")
    success(u.save(t), t)
    v.set(mine, "typed by v")
    v.call("resumeReading")
    v.wait_event("room_renamed", new_notebook_id=str(t))
    u.wait("p.cells().some(c => c.source.includes('typed by v'))")
    daemon.level(u, v)
    assert "typed by v" in "".join(v.sources().values()) and v.sources() == u.sources()
    until(lambda: any("typed by v" in s for s in nb.disk(t).values()), "on disk as well")


def test_c9_edit_on_its_way(daemon, work):
    t = work / "t.ipynb"
    for round in range(8):
        t = work / f"t{round}.ipynb"
        nb.write(t, nb.sources(2))
        v = daemon.open(t)
        v.wait("p.cells().length === 2")
        u = untitled(daemon)
        response = u.begin_save(t)
        edit = v.begin("set", id="cell1", source="typed by v")
        answer = response.result(30)
        edit.result(10)
        if answer["result"] == "error":  # the edit was first: v is an author now
            refused(answer)
            until(lambda: nb.on_disk(t, cell1="typed by v"), "v's file has it")
            continue
        u.wait("p.cells().some(c => c.source.includes('typed by v'))")
        daemon.level(u, v)


def test_c10_kernels(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    u = untitled(daemon)
    until(lambda: daemon.rooms()[u.id].get("kernel_status") == "idle", "u's kernel", 40)
    ours = set(daemon.kernels())
    p = daemon.open(t)
    until(lambda: daemon.rooms()[str(t)].get("kernel_status") == "idle", "p's kernel", 40)
    assert len(ours) == 1 and len(daemon.kernels()) == 2
    success(u.save(t), t)
    until(lambda: set(daemon.kernels()) == ours, "only u's kernel remains", 12)
    room = daemon.wait_rooms(str(t))[str(t)]
    assert room["has_kernel"] and room["active_peers"] == 2
    p.add("run", "21 * 2")
    p.wait_acked()
    assert p.request("execute_cell", cell_id="run")["result"] == "cell_queued"
    p.wait("p.cell('run')?.outputs.length === 1", 20)


def test_c11_save_during_a_load(daemon, work):
    t = work / "t.ipynb"
    old = nb.write(t, nb.sources(2000))
    u = untitled(daemon)
    v, info = daemon.begin({"channel": "open_notebook", "path": str(t)})
    answer = u.save(t)
    v.info = info.result(60)
    success(answer, t)
    v.wait("p.cells().length === 3", 60)
    assert v.sources() == u.sources() == U == nb.disk(t)
    assert snapshots(daemon, old)
    daemon.wait_rooms(str(t))
    daemon.level(u, v)


def test_c12_outstanding_requests(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    u = untitled(daemon)
    v = daemon.open(t)
    launch = v.begin_request("launch_kernel", kernel_type="python", env_source="auto", notebook_path=None)
    complete = v.begin_request("complete", code="impo", cursor_pos=4)
    success(u.save(t), t)
    assert launch.result(60)["result"] in ("kernel_already_running", "kernel_launched")
    assert complete.result(60)["result"] in ("completion_result", "no_kernel", "error")
    daemon.settle(v)
    assert v.ask("[p.responses.length, p.stray.length]") == [2, 0]
    v.wait("p.cells().length === 3")


def test_c13_save_as_onto_an_open_notebook(daemon, work):
    a, b = work / "a.ipynb", work / "b.ipynb"
    nb.write(a, nb.sources(1, "a"))
    nb.write(b, nb.sources(1, "b"))
    x, y = daemon.open(a), daemon.open(b)
    y.wait_cell("b0")
    y.set("b0", "edited")
    until(lambda: nb.on_disk(b, b0="edited"), "y's edit is saved")
    time.sleep(0.3)
    content = b.read_bytes()
    assert x.save(b)["result"] == "error"
    assert b.read_bytes() == content
    assert y.sources() == {"b0": "edited"}
    daemon.wait_rooms(str(a), str(b))


def test_c14_clone_onto_an_open_notebook(daemon, work):
    a, b = work / "a.ipynb", work / "b.ipynb"
    nb.write(a, nb.sources(1, "a"))
    nb.write(b, nb.sources(1, "b"))
    x, y = daemon.open(a), daemon.open(b)
    y.wait_cell("b0")
    y.set("b0", "edited")
    until(lambda: nb.on_disk(b, b0="edited"), "y's edit is saved")
    time.sleep(0.3)
    content = b.read_bytes()
    answer = x.request("clone_notebook", path=str(b))
    assert answer["result"] == "error" and "Failed to clone" in answer["error"], answer
    assert b.read_bytes() == content


def test_c14_clone_onto_a_free_path(daemon, work):
    a, b = work / "a.ipynb", work / "b.ipynb"
    nb.write(a, [nb.cell("a0", "1", outputs=[{"name": "stdout", "output_type": "stream", "text": ["hi\n"]}], count=3)],
             runt={"schema_version": "1", "env_id": "old", "trust_signature": "hmac-sha256:00"})
    x = daemon.open(a)
    x.wait_cell("a0")
    assert x.request("clone_notebook", path=str(b)) == {"result": "notebook_cloned", "path": str(b)}
    clone = nb.parse(b)
    assert nb.disk(b) == {"a0": "1"} and clone["cells"][0]["outputs"] == [] and clone["cells"][0]["execution_count"] is None
    assert clone["metadata"]["runt"]["env_id"] != "old" and "trust_signature" not in clone["metadata"]["runt"]
    daemon.wait_rooms(str(a))


def test_c15_second_peer_saves_elsewhere(daemon, work):
    t, t2 = work / "t.ipynb", work / "t2.ipynb"
    u = untitled(daemon)
    second = daemon.sync(u.id)
    success(u.save(t), t)
    answer = second.save(t2)
    assert answer["result"] == "notebook_saved" and answer["path"] == str(t2) and "new_notebook_id" not in answer, answer
    assert nb.disk(t2) == U == nb.disk(t)
    daemon.wait_rooms(str(t))


def test_c16_copy_onto_a_viewer(daemon, work):
    """A copy never folds rooms: the viewer's room takes the new bytes as an outside replacement (9.i)."""
    a, b = work / "a.ipynb", work / "b.ipynb"
    nb.write(a, nb.sources(2, "a"))
    nb.write(b, nb.sources(1, "b"))
    x, v = daemon.open(a), daemon.open(b)
    v.wait_cell("b0")
    x.wait("p.cells().length === 2")
    answer = x.save(b)
    assert answer["result"] == "notebook_saved" and answer["path"] == str(b), answer
    v.wait("p.cells().map(c => c.id).join() === 'a0,a1'")
    daemon.wait_rooms(str(a), str(b))
    stays(lambda: nb.disk(b) == nb.disk(a), "the copy stays", 3)


def test_c17_two_peers_save_at_once(daemon, work):
    """One save gives the notebook its path; the other, begun meanwhile, is a copy, or finds it done."""
    for round in range(6):
        u = untitled(daemon)
        second = daemon.sync(u.id)
        a, b = work / f"a{round}.ipynb", work / (f"a{round}.ipynb" if round % 2 else f"b{round}.ipynb")
        answers = [u.begin_save(a), second.begin_save(b)]
        answers = [x.result(30) for x in answers]
        assert [x["result"] for x in answers] == ["notebook_saved"] * 2, answers
        assert [x["path"] for x in answers] == [str(a), str(b)]
        assert [x["new_notebook_id"] for x in answers if "new_notebook_id" in x] == [next(x["path"] for x in answers if "new_notebook_id" in x)]
        assert nb.disk(a) == U == nb.disk(b)
        room = next(x["path"] for x in answers if "new_notebook_id" in x)
        assert room in daemon.rooms() and u.id not in daemon.rooms()
        daemon.level(u, second)
        u.close()
        second.close()


@pytest.mark.parametrize("when", ["before the write", "while the file is renamed"])
def test_c18_rooms_that_cannot_be_joined(daemon, work, when):
    """Two changes of one actor and number exclude each other: the save is refused, both rooms keep all."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(2))
    v = daemon.open(t, actor="ab" * 16)
    v.wait("p.cells().length === 2")
    u = daemon.create(actor="ab" * 16)
    u.add("mine", "of u")
    u.wait_acked()
    if when == "before the write":
        v.set("cell0", "of v")
        v.wait_acked()
        refused(u.save(t))
    else:
        daemon.faults(daemon.stall_rename(t))
        response = u.begin_save(t)
        until(lambda: list(work.glob(".t.ipynb.*")), "the temporary file is written")
        v.set("cell0", "of v")
        v.wait_acked()
        daemon.faults()
        refused(response.result(30))
    until(lambda: nb.on_disk(t, cell0="of v", cell1="x1 = 1\n"), "the file is v's")
    assert "mine" not in nb.disk(t)
    daemon.wait_rooms(str(t), u.id)
    assert daemon.sync(u.id).sources() == {"mine": "of u"}
    u.save(work / "elsewhere.ipynb")
    assert nb.disk(work / "elsewhere.ipynb") == {"mine": "of u"}
    v.set("cell1", "goes on")
    until(lambda: nb.on_disk(t, cell0="of v", cell1="goes on"), "and v goes on")


def test_c19_opener_looks_while_its_room_is_folded(daemon, work):
    """Who opens a notebook whose file was just written waits for a look at it; the room may be another by then."""
    t = work / "t.ipynb"
    data = nb.write(t, nb.sources(2))
    p = daemon.open(t)
    p.wait_cell("cell1")
    u = daemon.create()
    u.add("x", "1")
    u.wait_acked()
    daemon.faults(f"read stall 1 0 {t}")  # the look's, not the save's
    t.write_bytes(data)
    q, info = daemon.begin({"channel": "open_notebook", "path": str(t)})
    time.sleep(0.3)
    assert not info.done()
    assert u.save(t)["result"] == "notebook_saved"
    daemon.faults()
    q.info = info.result(20)
    q.wait_cell("x", "1")
    p.wait_cell("x", "1")
    assert q.ids() == ["x"] and daemon.wait_rooms(str(t))[str(t)]["active_peers"] == 3
