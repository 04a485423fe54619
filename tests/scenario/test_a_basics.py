"""rooms.md 15 A: opening, creating, joining."""
import re

import pytest

from support import notebooks as nb
from support.daemon import stays, until
from support.wire import Closed, Raw

PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def seven_cells() -> list:
    return [
        nb.cell("intro", "# Title\n\ntext", "markdown"),
        nb.cell("out", "print('hi')", outputs=[{"name": "stdout", "output_type": "stream", "text": ["hi\n"]}], count=1),
        nb.cell("value", "1 + 1", count=2, outputs=[{"data": {"text/plain": ["2"]}, "execution_count": 2, "metadata": {},
                                                       "output_type": "execute_result"}]),
        nb.cell("image", "plot()", count=3, outputs=[{"data": {"image/png": PNG, "text/plain": ["<Figure>"]}, "metadata": {},
                                                        "output_type": "display_data"}]),
        nb.cell("wrong", "1 / 0", count=4, outputs=[{"ename": "ZeroDivisionError", "evalue": "division by zero", "output_type": "error",
                                                       "traceback": ["line"]}]),
        nb.cell("raw", "as is", "raw"),
        nb.cell("last", "ünïcödé = '🐍'\n"),
    ]


def test_a1_create(daemon):
    c = daemon.create()
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", c.id)
    assert c.info["cell_count"] == 0 and c.info["needs_trust_approval"] is False
    assert c.info["protocol"] == "v2" and c.info["protocol_version"] == 2
    assert c.cells() == []
    room = daemon.wait_rooms(c.id)[c.id]
    assert room["active_peers"] == 1


def test_a1_create_with_one_cell_on_request(start):
    c = start("--new-notebook-cells", "1").create()
    assert c.info["cell_count"] == 1
    c.wait("p.cells().length === 1")
    assert c.cells()[0]["source"] == "" and c.cells()[0]["type"] == "code"


def test_a2_open(daemon, work):
    nb.write(work / "t.ipynb", seven_cells())
    c = daemon.open(work / "t.ipynb")
    assert c.id == str(work / "t.ipynb") and c.info["cell_count"] == 0
    c.wait("p.cells().length === 7")
    assert c.ids() == ["intro", "out", "value", "image", "wrong", "raw", "last"]
    cells = {x["id"]: x for x in c.cells()}
    assert cells["last"]["source"] == "ünïcödé = '🐍'\n"
    assert cells["value"]["count"] == "2" and cells["last"]["count"] == "null"
    for id in ("out", "value", "image", "wrong"):
        assert [re.fullmatch("[0-9a-f]{64}", o) is not None for o in cells[id]["outputs"]] == [True], id


def test_a3_second_opener(daemon, work):
    nb.write(work / "t.ipynb", seven_cells())
    a, b = daemon.open(work / "t.ipynb"), daemon.open(work / "t.ipynb")
    assert a.id == b.id and daemon.rooms()[a.id]["active_peers"] == 2
    a.add("from-a", "1")
    b.wait_cell("from-a", "1")
    b.set("from-a", "2")
    a.wait_cell("from-a", "2")
    daemon.level(a, b)


def test_a4_missing_file(daemon, work):
    c = daemon.open(work / "new")
    assert c.id == str(work / "new.ipynb") and c.info["cell_count"] == 0 and c.cells() == []
    stays(lambda: not (work / "new.ipynb").exists() or nb.parse(work / "new.ipynb")["nbformat"] == 4, "no file or a valid one", 5)


def test_a5_opaque_id(daemon, work):
    c = daemon.sync("free-name")
    c.add("x", "1")
    c.wait_acked()
    assert "free-name" in daemon.rooms()
    stays(lambda: not [p for p in daemon.top.rglob("*free-name*")], "nothing of that name is written", 4)


def test_a6_open_writes_nothing(daemon, work):
    data = nb.write(work / "t.ipynb", seven_cells())
    before = (work / "t.ipynb").stat()
    c = daemon.open(work / "t.ipynb")
    c.wait("p.cells().length === 7")
    stays(lambda: (work / "t.ipynb").stat().st_mtime_ns == before.st_mtime_ns, "the file is not written", 6)
    assert (work / "t.ipynb").read_bytes() == data


def test_a7_twenty_openers(daemon, work):
    nb.write(work / "t.ipynb", nb.sources(100))
    begun = [daemon.begin({"channel": "open_notebook", "path": str(work / "t.ipynb")}, lib="old" if i % 2 else "new") for i in range(20)]
    first, info = begun[0]
    first.info = info.result(60)
    first.wait_cell("cell1")
    first.set("cell1", "edited at once")
    for peer, info in begun:
        peer.info = info.result(60)
        peer.wait("p.cells().length === 100", 60)
        peer.wait_cell("cell1", "edited at once", 60)
    daemon.wait_rooms(str(work / "t.ipynb"))
    peers = [p for p, _ in begun]
    daemon.level(*peers, seconds=60)
    for p in peers[4:]:
        p.close()


@pytest.mark.parametrize("content", [b"not json", b"", b"{}", b"[1, 2]", b'{"cells": 7, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
                                     b"\xff\xfe\x00garbage", b'{"nbformat": 4, "cells": [', "{\"nbformat\": 3, \"worksheets\": []}".encode()],
                         ids=["text", "empty", "object", "list", "cells", "binary", "truncated", "nbformat3"])
def test_a8_unreadable_file(daemon, work, content):
    path = work / "t.ipynb"
    path.write_bytes(content)
    before = path.stat().st_mtime_ns
    with Raw(daemon.socket) as c:
        c.hello({"channel": "open_notebook", "path": str(path)})
        try:
            error = c.read_json().get("error")
        except Closed:
            error = "closed"
        if content == b"":
            error = error or "an empty file may count as a new notebook"
        assert error or c.ended(2)
    stays(lambda: path.read_bytes() == content and path.stat().st_mtime_ns == before, "the file is untouched", 5)


def test_a9_ipynb_appended(daemon, work):
    data = nb.write(work / "foo.ipynb", nb.sources(3))
    c = daemon.open(work / "foo")
    assert c.id == str(work / "foo.ipynb")
    c.wait("p.cells().length === 3")
    stays(lambda: (work / "foo.ipynb").read_bytes() == data and not (work / "foo").exists(), "the file is untouched", 5)


def test_a10_directory(daemon, work):
    c = daemon.open(work)
    assert re.fullmatch("[0-9a-f-]{36}", c.id), c.info
    c.add("x", "1")
    c.wait_acked()
    lines = daemon.log().count("\n")
    stays(lambda: daemon.log().count("\n") <= lines + 3, "no retries in the log", 3)
    assert list(work.iterdir()) == []


def test_a11_sync_of_a_path(daemon, work):
    data = nb.write(work / "t.ipynb", nb.sources(3))
    c = daemon.sync(work / "t.ipynb")
    c.wait("p.cells().length === 3")
    stays(lambda: (work / "t.ipynb").read_bytes() == data, "the file is untouched", 5)
    daemon.wait_rooms(str(work / "t.ipynb"))


def test_a12_skeleton_peers(daemon):
    """Clients since March 23 push a three-operation skeleton of their own on connect; it must neither hide cells nor be an edit."""
    c = daemon.create(skeleton=True, actor="ff" * 16)
    c.add("x", "one")
    d = daemon.sync(c.id, skeleton=True, actor="00" * 16, lib="old")
    d.wait_cell("x", "one")
    d.add("y", "two")
    c.wait_cell("y", "two")
    until(lambda: c.ids() == ["x", "y"] == d.ids(), "both see both cells")
    daemon.level(c, d)


def test_a13_skeletons_do_not_wait_for_the_disk(daemon, work):
    """Clients take 100 ms of silence for the end of the content (clients.md T4): a disk that is slow must not cost them the notebook."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(3))
    daemon.open(t)
    daemon.faults(f"sync stall 0 0 {daemon.docs}")
    c = daemon.open(t, skeleton=True, ready=False)
    c.wait("p.cells().length === 3")
    c.add("x", "an edit")
    daemon.settle(c)
    assert not c.ask("p.acked()"), "an edit does wait"
    daemon.faults()
    c.wait_acked()


def test_a14_cells_made_before_the_content_came(daemon, work):
    """A client that got nothing in time edits the map of its own skeleton, which ours out-ranks: its cells are taken in,
    and stay deleted once they are."""
    t = work / "t.ipynb"
    nb.write(t, nb.sources(2))
    other = daemon.open(t)
    c = daemon.open(t, skeleton=True, actor="aa" * 16, answers={"0": False, "5": True}, ready=False)
    c.add("early", "typed too soon")
    c.call("giveAnswers")
    for peer in (other, c):
        peer.wait_cell("early", "typed too soon")
        peer.wait("p.cells().length === 3")
    c.set("early", "and edited")
    other.wait_cell("early", "and edited")
    assert c.request("execute_cell", cell_id="early") == {"result": "no_kernel"}
    other.delete("early")
    c.wait("!p.cell('early')")
    late = daemon.open(t, skeleton=True)
    late.wait("p.cells().length === 2")
    daemon.level(other, c, late)
    assert not any("early" in p.ids() for p in (other, c, late))
