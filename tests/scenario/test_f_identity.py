"""rooms.md 15 F: one file is one room, by whatever name; old ids go on leading to it."""
import hashlib
import json
import os
import time
import uuid

import pytest

from support import notebooks as nb
from support.daemon import stays, until


def promoted(daemon, name="t.ipynb"):
    u = daemon.create()
    old = u.id
    u.add("x", "1")
    u.wait_acked()
    assert u.save(daemon.work / name)["result"] == "notebook_saved"
    return old, str(daemon.work / name), u


def test_f1_symlinked_directory(daemon, work):
    link = daemon.home / ".cache"
    link.symlink_to(work)
    c = daemon.open(link / "n.ipynb")
    c.add("x", "1")
    until(lambda: nb.on_disk(work / "n.ipynb", x="1"), "autosaved", 6)
    d = daemon.open(work / "n.ipynb")
    assert d.id == c.id == str(work / "n.ipynb")
    d.wait_cell("x")
    daemon.wait_rooms(c.id)


def test_f2_old_id_after_promotion(daemon):
    old, path, u = promoted(daemon)
    a, b = daemon.create(old), daemon.sync(old)
    assert a.id == path
    for c in (a, b):
        c.wait_cell("x", "1")
    b.wait_event("room_renamed", new_notebook_id=path)
    daemon.wait_rooms(path)
    a.add("y", "2")
    u.wait_cell("y", "2")
    daemon.level(u, a, b)


def test_f3_old_id_after_a_restart(daemon):
    old, path, u = promoted(daemon)
    daemon.restart()
    a, b = daemon.create(old), daemon.sync(old)
    assert a.id == path
    for c in (a, b):
        c.wait_cell("x", "1")
    daemon.wait_rooms(path)


def test_f4_spellings_of_a_uuid(daemon):
    id = str(uuid.uuid4())
    peers = [daemon.create(id.upper()), daemon.create(id), daemon.sync(id.replace("-", "")), daemon.sync("{" + id + "}"),
             daemon.sync("urn:uuid:" + id)]
    daemon.wait_rooms(id)
    peers[0].add("x", "1")
    for p in peers:
        p.wait_cell("x", "1")


@pytest.mark.parametrize("path", ["relative/t.ipynb", "t.ipynb", "~x/t.ipynb", "~/t.ipynb", "", "/nul\0byte.ipynb", "/" + "x" * 5000])
def test_f5_impossible_save_paths(daemon, path):
    u = daemon.create()
    u.add("x", "1")
    answer = u.save(path)
    assert answer["result"] == "error" and answer["error"], answer
    daemon.wait_rooms(u.id)
    assert u.sources() == {"x": "1"}
    assert list(daemon.work.iterdir()) == []


def test_f5_save_onto_a_directory(daemon, work):
    (work / "d.ipynb").mkdir()
    u = daemon.create()
    u.add("x", "1")
    for name in ("d.ipynb", "d.ipynb/", "new/"):
        answer = u.save(f"{work}/{name}")
        assert answer["result"] == "error", answer
    daemon.wait_rooms(u.id)
    assert [p.name for p in work.rglob("*")] == ["d.ipynb"]


def test_f10_open_a_directory_that_is_not_there(daemon, work):
    """Not a file without a name in it."""
    info = daemon.open(f"{work}/new.ipynb/", ready=False).info
    assert "not a path a notebook can have" in info["error"], info
    assert not daemon.open(f"{work}/", ready=False).info.get("error")


@pytest.mark.parametrize("path", ["/proc/nope/bad.ipynb", "{work}/file/t.ipynb"])
def test_f5_save_where_nothing_can_be(daemon, work, path):
    (work / "file").write_text("a file")
    u = daemon.create()
    u.add("x", "1")
    answer = u.save(path.format(work=work))
    assert answer["result"] == "error" and "Failed to write" in answer["error"], answer
    assert [p.name for p in work.iterdir()] == ["file"]
    daemon.wait_rooms(u.id)


def test_f5_save_makes_directories(daemon, work):
    """documents.md 16 no. 19."""
    u = daemon.create()
    u.add("x", "1")
    assert u.save(work / "new" / "sub" / "t.ipynb")["result"] == "notebook_saved"
    assert nb.disk(work / "new" / "sub" / "t.ipynb") == {"x": "1"}


def test_f6_save_without_a_path(daemon):
    u = daemon.create()
    u.add("x", "1")
    answer = u.save()
    assert answer["result"] == "error" and "Failed to write notebook" in answer["error"], answer
    assert not list(daemon.cwd.iterdir())


def test_f7_extension(daemon, work):
    for name, wanted in (("x", "x.ipynb"), ("y.IPYNB", "y.IPYNB.ipynb"), ("z.ipynb", "z.ipynb")):
        u = daemon.create()
        u.add("x", "1")
        answer = u.save(work / name)
        assert answer == {"result": "notebook_saved", "path": str(work / wanted), "new_notebook_id": str(work / wanted)}
        assert nb.disk(work / wanted) == {"x": "1"}


def test_f8_nothing_is_inherited(daemon, work):
    old = work / "old.ipynb"
    data = nb.write(old, nb.sources(1), custom={"k": 1}, runt={"schema_version": "1", "trust_signature": "hmac-sha256:" + "0" * 64, "mine": 1})
    u = daemon.create()
    u.add("x", "1")
    assert u.save(old)["result"] == "notebook_saved"
    metadata = nb.parse(old)["metadata"]
    assert "custom" not in metadata and "trust_signature" not in json.dumps(metadata) and "mine" not in metadata.get("runt", {})
    assert nb.disk(old) == {"x": "1"}
    kept = list((daemon.docs / "snapshots").glob(hashlib.sha256(str(old).encode()).hexdigest() + "-*.ipynb"))
    assert [k.read_bytes() for k in kept] == [data]


def test_f9_room_names_of_one_file(daemon, work):
    """sync, open, symlink, dots, doubled slashes: one room."""
    nb.write(work / "t.ipynb", nb.sources(1))
    (work / "a").mkdir()
    (work / "link.ipynb").symlink_to("t.ipynb")
    (work / "dir").symlink_to(".")
    names = [f"{work}/t.ipynb", f"{work}//t.ipynb", f"{work}/./t.ipynb", f"{work}/a/../t.ipynb", f"{work}/link.ipynb", f"{work}/dir/dir/t.ipynb",
             f"{work}/t"]
    for name in names:
        assert daemon.open(name).id == f"{work}/t.ipynb", name
        daemon.sync(name).wait_cell("cell0")
    assert daemon.wait_rooms(f"{work}/t.ipynb")[f"{work}/t.ipynb"]["active_peers"] == 2 * len(names)


@pytest.mark.parametrize("path", ["", "relative.ipynb", "~/x.ipynb", "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11"])
def test_f10_impossible_open_paths(daemon, path):
    from support.wire import Raw
    with Raw(daemon.socket) as c:
        info = c.hello({"channel": "open_notebook", "path": path}).read_json()
        assert info["error"] and info["notebook_id"] == "" and info["cell_count"] == 0, info
        assert c.ended(5)
    daemon.wait_rooms()


def test_f11_listing_is_sorted(daemon, work):
    ids = []
    for name in ("c", "a", "b"):
        nb.write(work / f"{name}.ipynb", nb.sources(1))
        ids.append(daemon.open(work / f"{name}.ipynb").id)
    rooms = daemon.pool({"type": "list_rooms"})["rooms"]
    assert [r["notebook_id"] for r in rooms] == sorted(ids)
    assert all(r["active_peers"] == 1 and r["has_kernel"] is False for r in rooms)


def test_f12_other_extension_is_not_overwritten(daemon, work):
    """A file that is no notebook is never written to."""
    notes = work / "notes.txt"
    notes.write_text("dear diary")
    with __import__("support.wire", fromlist=["Raw"]).Raw(daemon.socket) as c:
        c.hello({"channel": "open_notebook", "path": str(notes)})
        info = c.read_json()
        assert info.get("error"), info
    c = daemon.sync(str(notes), ready=False)
    u = daemon.create()
    u.add("x", "1")
    u.save(notes)
    assert notes.read_text() == "dear diary"
    c.broken = True


def test_f13_hard_link_opened_during_the_load(daemon, work):
    """rooms.md I-1 by inode, also for a room that is still being read."""
    t, h = work / "t.ipynb", work / "h.ipynb"
    nb.write(t, nb.sources(3))
    os.link(t, h)
    daemon.faults(f"read stall 0 0 {work}")
    p, p_info = daemon.begin({"channel": "open_notebook", "path": str(t)})
    daemon.wait_rooms(str(t))
    q, q_info = daemon.begin({"channel": "open_notebook", "path": str(h)})
    stays(lambda: list(daemon.rooms()) == [str(t)], "one room", 0.5)
    daemon.faults()
    p.info, q.info = p_info.result(30), q_info.result(30)
    p.wait_cell("cell2")
    q.wait_cell("cell2")
    q.add("x", "1")
    p.wait_cell("x", "1")
    daemon.wait_rooms(str(t))


def test_f14_hard_link_that_became_a_file_of_its_own(daemon, work):
    t, h, new = work / "t.ipynb", work / "h.ipynb", work / "new"
    nb.write(t, nb.sources(2))
    os.link(t, h)
    p, q = daemon.open(t), daemon.open(h)
    q.wait_cell("cell1")
    q.close()
    daemon.wait_rooms(str(t))
    nb.write(new, [nb.cell("other", "another notebook")])
    os.replace(new, h)
    q = daemon.open(h)
    q.wait_cell("other", "another notebook")
    assert q.ids() == ["other"] and q.id == str(h)
    q.add("x", "1")
    until(lambda: nb.on_disk(h, x="1"), "written where it was opened", 8)
    assert p.ids() == ["cell0", "cell1"] and "x" not in nb.disk(t)


def test_f15_moved_after_the_same_bytes_were_written_anew(daemon, work):
    """A checkout that changes nothing gives the file another inode."""
    t, t2, new = work / "t.ipynb", work / "t2.ipynb", work / "new"
    data = nb.write(t, nb.sources(2))
    p = daemon.open(t)
    p.wait_cell("cell1")
    new.write_bytes(data)
    os.replace(new, t)
    time.sleep(1)  # the watcher
    t.rename(t2)
    q = daemon.open(t2)
    q.wait_cell("cell1")
    p.wait_event("room_renamed", new_notebook_id=str(t2))
    daemon.wait_rooms(str(t2))
