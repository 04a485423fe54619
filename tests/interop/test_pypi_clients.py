"""Unmodified clients from PyPI, each release in its own process."""
import json
import re
import subprocess
import time

import nbformat
import pytest

from support import clients, wire
from support import notebooks as nb
from support.cache import KERNEL_PYTHON
from support.clients import MARCH, Script, run_script
from support.daemon import until

both = pytest.mark.parametrize("version", MARCH)


@pytest.fixture
def kernels(start):
    return start(kernels=True)


@both
def test_pool(daemon, version):
    got = run_script(version, """
        async def main():
            c = client()
            return {"ping": await c.ping(), "running": await c.is_running(), "status": await c.status(),
                    "rooms": [n.notebook_id for n in await c.list_active_notebooks()]}
        """, daemon)
    assert got["ping"] is True and got["running"] is True and got["rooms"] == []
    assert set(got["status"]) == {"uv_available", "uv_warming", "conda_available", "conda_warming"}


@both
def test_create_and_edit(daemon, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook(working_dir=ARGS["work"])
            out = {"id": nb.notebook_id, "at_first": len(nb.cells), "info": (await nb._session.connection_info()).cell_count}
            a = await nb.cells.create("a = 1")
            b = await nb.cells.create("# Titel äöü", "markdown")
            c = await nb.cells.insert_at(0, "first")
            await a.set_source("a = 2")
            await a.append(" # ✓ größer")
            await a.splice(0, 1, "bb")
            await b.move_after(None)
            await c.set_type("raw")
            await a.set_tags(["x", "y"])
            await a.set_source_hidden(True)
            d = await nb.cells.create("gone")
            await d.delete()
            await nb._session.set_metadata("note", "hello")
            await nb._session.set_kernelspec("python3", "Python 3", "python")
            await nb.add_dependency("requests>=2")
            # What add_dependency itself returns is now and then read before its own write shows.
            out["dependencies"] = await until(nb.get_dependencies, "the dependency")
            out["cells"] = [[x.cell_type, x.source, x.tags, x.source_hidden] for x in nb.cells]
            out["note"] = await nb._session.get_metadata("note")
            # The client sends its writes in its own time: this process stays until somebody else has the last one.
            other = await client("second").join_notebook(nb.notebook_id)
            await until(other.get_dependencies, "the dependency at a peer")
            return out
        """, daemon, work=str(daemon.work))
    assert re.fullmatch("[0-9a-f-]{36}", got["id"]) and got["at_first"] == 0 and got["info"] == 0
    assert got["cells"] == [["markdown", "# Titel äöü", [], False], ["raw", "first", [], False], ["code", "bb = 2 # ✓ größer", ["x", "y"], True]]
    assert got["dependencies"] == ["requests>=2"]
    peer = daemon.create(got["id"])
    assert [c["source"] for c in peer.cells()] == ["# Titel äöü", "first", "bb = 2 # ✓ größer"]
    document = peer.document()
    assert document["metadata"]["runt"]["uv"]["dependencies"] == ["requests>=2"]


@both
def test_open_existing(daemon, version):
    t = daemon.work / "t.ipynb"
    data = nb.write(t, [nb.cell("m", "# T", "markdown"),
                        nb.cell("s", "print()", outputs=[{"name": "stdout", "output_type": "stream", "text": ["one\n", "two\n"]}], count=3),
                        nb.cell("e", "1/0", outputs=[{"ename": "ZeroDivisionError", "evalue": "division by zero", "output_type": "error",
                                                       "traceback": ["a", "b"]}], count=4),
                        *nb.sources(20)])
    got = run_script(version, """
        async def main():
            nb = await client().open_notebook(ARGS["path"])
            await until(lambda: len(nb.cells) == 23, "23 cells")
            s, e = nb.cells["s"], nb.cells["e"]
            return {"id": nb.notebook_id, "ids": list(nb.cells.ids), "stream": [[o.name, o.text] for o in s.outputs], "count": s.execution_count,
                    "error": [[o.ename, o.evalue, o.traceback] for o in e.outputs]}
        """, daemon, path=str(t))
    assert got["id"] == str(t) and got["ids"][:4] == ["m", "s", "e", "cell0"]
    assert got["stream"] == [["stdout", "one\ntwo\n"]] and got["count"] == 3
    assert got["error"] == [["ZeroDivisionError", "division by zero", ["a", "b"]]]
    assert t.read_bytes() == data


@both
def test_open_failures(daemon, version):
    (daemon.work / "bad.ipynb").write_text("not json")
    got = run_script(version, """
        async def main():
            out = []
            for path in ARGS["paths"]:
                try:
                    await client().open_notebook(path)
                    out.append("opened")
                except Exception as e:
                    out.append(type(e).__name__ + ": " + str(e))
            return out
        """, daemon, paths=[str(daemon.work / "bad.ipynb"), str(daemon.work / "bad.ipynb" / "x.ipynb")])
    assert all(g.startswith("RuntimedError") for g in got) and "Cannot access notebook" in got[1], got
    assert (daemon.work / "bad.ipynb").read_text() == "not json"


TWO = """
    async def main():
        c = client(ARGS["label"])
        nb = await (c.create_notebook() if ARGS["id"] is None else c.join_notebook(ARGS["id"]))
        say(id=nb.notebook_id)
        await listen()
        mine = [await nb.cells.create("%s %d" % (ARGS["label"], i)) for i in range(5)]
        await until(lambda: len(nb.cells) == 10, "ten cells")
        say(done=1)
        await listen()
        first = nb.cells.find("one 0")[0]
        for i in range(10):
            await first.append(ARGS["letter"])
        await until(lambda: first.source.count("x") == 10 and first.source.count("y") == 10, "both texts")
        say(done=2)
        await listen()
        return {"sources": [c.source for c in nb.cells], "peers": sorted(label for _, label in nb.peers), "connected": nb.is_connected}
"""


@pytest.mark.parametrize("versions", [("2.0.2", "2.0.2"), ("2.0.8", "2.0.8"), ("2.0.2", "2.0.8")], ids=lambda v: "+".join(v))
def test_two_clients_edit_at_once(daemon, versions):
    one = Script(versions[0], TWO, daemon, label="one", letter="x", id=None)
    id = one.event()["id"]
    two = Script(versions[1], TWO, daemon, label="two", letter="y", id=id)
    two.event()
    for _ in range(2):
        for script in (one, two):
            script.tell(go=1)
        for script in (one, two):
            script.event()
    for script in (one, two):
        script.tell(go=1)
    a, b = one.result(), two.result()
    assert a["sources"] == b["sources"] and len(a["sources"]) == 10 and a["connected"] and b["connected"]


EXECUTE = """
    def plain(o):
        return {k: v for k, v in (("type", o.output_type), ("name", o.name), ("text", o.text), ("ename", o.ename), ("evalue", o.evalue),
                ("data", {m: (v if isinstance(v, str) else type(v).__name__) for m, v in (o.data or {}).items()} or None)) if v is not None}

    async def main():
        nb = await client().create_notebook()
        out = {}
        for name, source in ARGS["cells"].items():
            cell = await nb.cells.create(source)
            r = await cell.run(timeout_secs=90)
            out[name] = {"success": r.success, "count": r.execution_count, "outputs": [plain(o) for o in r.outputs], "stdout": r.stdout,
                         "stderr": r.stderr, "cell": [plain(o) for o in cell.outputs], "cell_count": cell.execution_count}
        state = nb.runtime
        out["state"] = [state.kernel.status, state.kernel.language, state.kernel.env_source, len(state.queue.queued)]
        out["statuses"] = sorted({e.status for e in state.executions.values()})
        return out
"""

CELLS = {
    "print": "print('hello')",
    "expression": "6 * 7",
    "nothing": "x = 1",
    "stderr": "import sys; print('oops', file=sys.stderr)",
    "rich": "import base64\nclass R:\n    def _repr_html_(self): return '<b>bold</b>'\n    def _repr_png_(self): return base64.b64decode("
            "'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')\nR()",
    "big_html": "from IPython.display import HTML, display\ndisplay(HTML('<i>' + 'z' * 20000 + '</i>'))",
    "update": "from IPython.display import display\nh = display('first', display_id=True)\nh.update('second')",
    "lines": "for i in range(200): print('line', i)",
    "progress": "import sys\nfor i in range(101):\n    sys.stdout.write('\\rprogress %d%%' % i)\nsys.stdout.flush()",
    "error": "1 / 0",
    "after": "'still alive'",
    "json": "from IPython.display import JSON, display\ndisplay(JSON({'a': [1, 2]}))",
}


@both
def test_execute(kernels, version):
    got = run_script(version, EXECUTE, kernels, timeout=240, cells=CELLS)
    for name in CELLS:
        assert got[name]["outputs"] == got[name]["cell"], name
        assert got[name]["success"] is (name != "error"), got[name]
    counts = [got[name]["cell_count"] for name in CELLS]
    assert counts == list(range(1, len(CELLS) + 1))
    assert got["print"]["stdout"] == "hello\n" and got["nothing"]["outputs"] == []
    assert got["expression"]["outputs"][0]["data"]["text/plain"] == "42" and got["expression"]["outputs"][0]["type"] == "execute_result"
    assert got["stderr"]["stderr"] == "oops\n" and got["stderr"]["stdout"] == ""
    assert got["rich"]["outputs"][0]["data"]["text/html"] == "<b>bold</b>" and got["rich"]["outputs"][0]["data"]["image/png"] == "bytes"
    assert len(got["big_html"]["outputs"][0]["data"]["text/html"]) == 20007
    assert got["update"]["outputs"] == [{"type": "display_data", "data": {"text/plain": "'second'"}}]
    assert got["lines"]["stdout"] == "".join(f"line {i}\n" for i in range(200)) and len(got["lines"]["outputs"]) == 1
    assert got["progress"]["stdout"].strip() == "progress 100%"
    error = got["error"]["outputs"][-1]
    assert error["type"] == "error" and error["ename"] == "ZeroDivisionError"
    assert got["after"]["success"] and got["json"]["outputs"][0]["data"]["application/json"] == "dict"
    assert got["state"][0] in ("idle", "busy") and got["state"][1] == "python" and got["state"][3] == 0
    assert got["statuses"] == ["done", "error"]


@both
def test_interrupt_with_a_queue(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            warm = await nb.cells.create("1")
            await warm.run(90)
            slow = await nb.cells.create("import time\\nprint('begun', flush=True)\\ntime.sleep(600)")
            behind = await nb.cells.create("print('never')")
            a, b = await slow.execute(), await behind.execute()
            await until(lambda: any("begun" in (o.text or "") for o in slow.outputs), "the sleep runs", 30)
            q = await nb._session.get_queue_state()
            queue = [q.executing.cell_id == slow.id, [e.cell_id == behind.id for e in q.queued]]
            statuses = [a.status, b.status]
            await nb.interrupt()
            r = await a.result(30)
            await until(lambda: nb.runtime.queue.executing is None and not nb.runtime.queue.queued, "an empty queue")
            again = await warm.run(60)
            return {"queue": queue, "statuses": statuses, "success": r.success, "error": [o.ename for o in r.outputs if o.ename],
                    "behind": [o.text for o in behind.outputs], "again": again.success, "behind_status": b.status}
        """, kernels)
    assert got["queue"] == [True, [True]] and got["statuses"] == ["running", "queued"]
    assert got["success"] is False and got["error"] == ["KeyboardInterrupt"]
    assert got["behind"] == [] and got["again"] is True
    assert got["behind_status"] not in ("queued", "running", "done")


@both
def test_stop_on_error(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            a, b, c = [await nb.cells.create(s) for s in ("1", "raise ValueError('stop')", "print('never')")]
            await nb.start()
            n = await nb.run_all()
            await until(lambda: b.outputs and nb.runtime.queue.executing is None, "the error", 60)
            return {"n": n, "c": len(c.outputs), "b": [o.ename for o in b.outputs], "a": a.execution_count}
        """, kernels)
    assert got == {"n": 3, "c": 0, "b": ["ValueError"], "a": 1}


@both
def test_run_all(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cells = [await nb.cells.create("print(%d)" % i) for i in range(5)]
            await nb.cells.create("text", "markdown")
            await nb.start()
            n = await nb.run_all()
            await until(lambda: all(c.outputs for c in cells), "all have run", 90)
            return {"n": n, "outputs": [c.outputs[0].text for c in cells], "counts": [c.execution_count for c in cells]}
        """, kernels)
    assert got == {"n": 5, "outputs": [f"{i}\n" for i in range(5)], "counts": [1, 2, 3, 4, 5]}


@both
def test_completion_and_history(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("import os\\nspecial_marker = 1")
            await cell.run(90)
            async def complete():
                try:
                    return await nb._session.complete("os.pat", 6)
                except Exception:
                    return None
            r = await until(complete, "a completion", 30)
            h = await nb._session.get_history("special_marker", 10, True)
            return {"labels": [i.label for i in r.items], "span": [r.cursor_start, r.cursor_end], "history": [e.source for e in h]}
        """, kernels)
    assert any(label.endswith("path") for label in got["labels"]) and got["span"][1] == 6
    assert any("special_marker" in s for s in got["history"])


@both
def test_clear_outputs(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("print(1)")
            await cell.run(90)
            before = [len(cell.outputs), cell.execution_count]
            await cell.clear_outputs()
            await until(lambda: not cell.outputs, "no outputs")
            after = [len(cell.outputs), cell.execution_count]
            r = await cell.run(60)
            return {"before": before, "after": after, "again": [len(cell.outputs), r.stdout]}
        """, kernels)
    assert got == {"before": [1, 1], "after": [0, None], "again": [1, "1\n"]}


@both
def test_kernel_restart(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("x = 1\\nimport os; print(os.getpid())")
            first = (await cell.run(90)).stdout
            await nb.restart()
            gone = await (await nb.cells.create("x")).run(60)
            second = (await cell.run(60)).stdout
            await nb.stop_runtime()
            stopped = nb.runtime.kernel.status
            await nb.start()
            # This release throws away state that arrives behind a request of its own (clients.md T2).
            await until(lambda: nb.runtime.kernel.status == "idle", "the start is seen")
            third = (await cell.run(60)).stdout
            return {"pids": [first, second, third], "gone": [o.ename for o in gone.outputs], "stopped": stopped}
        """, kernels)
    assert len(set(got["pids"])) == 3 and all(p.strip().isdigit() for p in got["pids"]) and got["gone"] == ["NameError"]
    assert len(kernels.kernels()) == 1


@both
def test_kernel_dies(kernels, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("import os; os._exit(3)")
            try:
                r = await cell.run(30)
                success = r.success
            except Exception as e:
                success = str(e)
            await until(lambda: nb.runtime.kernel.status in ("error", "shutdown"), "the death is told")
            await nb.start()
            await until(lambda: nb.runtime.kernel.status == "idle", "the start is seen")
            again = await (await nb.cells.create("1 + 1")).run(60)
            return {"success": success, "again": again.success}
        """, kernels)
    assert got["success"] is not True and got["again"] is True


@both
def test_save_join_reopen(kernels, version):
    """Save to a path; join by path and by the old id; all of it after a restart of the daemon, too."""
    t = kernels.work / "t.ipynb"
    got = run_script(version, """
        async def main():
            c = client()
            nb = await c.create_notebook()
            old = nb.notebook_id
            cell = await nb.cells.create("print('kept')")
            await cell.run(90)
            path = await nb.save_as(ARGS["path"])
            await until(lambda: nb.notebook_id == ARGS["path"], "the id is the path")
            by_path, by_old = await c.join_notebook(ARGS["path"]), await c.join_notebook(old)
            opened = await c.open_notebook(ARGS["path"])
            for other in (by_path, by_old, opened):
                await until(lambda: len(other.cells) == 1, "the cell")
            await by_old.cells.create("from by_old")
            for other in (nb, by_path, opened):
                await until(lambda: len(other.cells) == 2, "the second cell")
            await nb.save()
            rooms = [n.notebook_id for n in await c.list_active_notebooks()]
            return {"old": old, "path": path, "rooms": rooms, "outputs": [o.text for o in opened.cells.get_by_index(0).outputs]}
        """, kernels, path=str(t))
    assert got["path"] == str(t) and got["rooms"] == [str(t)] and got["outputs"] == ["kept\n"]
    kernels.restart()
    after = run_script(version, """
        async def main():
            c = client()
            a, b = await c.open_notebook(ARGS["path"]), await c.join_notebook(ARGS["old"])
            for nb in (a, b):
                await until(lambda: len(nb.cells) == 2, "two cells")
            cell = a.cells.get_by_index(0)
            return {"outputs": [o.text for o in cell.outputs], "count": cell.execution_count, "rooms": [n.notebook_id for n in await c.list_active_notebooks()]}
        """, kernels, path=str(t), old=got["old"])
    assert after == {"outputs": ["kept\n"], "count": 1, "rooms": [str(t)]}


@both
def test_save_failures(daemon, version):
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            await nb.cells.create("x")
            out = []
            for path in (None, ARGS["missing"]):
                try:
                    out.append(await nb._session.save(path))
                except Exception as e:
                    out.append(type(e).__name__ + ": " + str(e))
            return out
        """, daemon, missing="/proc/nope/bad.ipynb")
    assert all(g.startswith("RuntimedError") and "Failed to write" in g for g in got), got


@both
def test_presence(daemon, version):
    watcher = Script(version, """
        async def main():
            nb = await client("Ada").create_notebook()
            cell = await nb.cells.create("abc")
            say(id=nb.notebook_id, cell=cell.id)
            cursor = await until(lambda: nb.presence.get_remote_cursors(), "a remote cursor")
            peers = [label for _, label in nb.peers]
            say(seen=1)
            await listen()
            await until(lambda: not [1 for _, label in nb.peers if label == "Grace"], "Grace is gone")
            return {"cursor": [list(c)[1:] for c in cursor], "peers": peers}
        """, daemon)
    first = watcher.event()
    other = Script(version, """
        async def main():
            nb = await client("Grace").join_notebook(ARGS["id"])
            await until(lambda: len(nb.cells) == 1, "the cell")
            await nb.presence.set_cursor(ARGS["cell"], 0, 2)
            say(set=1)
            await listen()
            return sorted(label for _, label in nb.peers)
        """, daemon, id=first["id"], cell=first["cell"])
    other.event()
    watcher.event()
    other.tell(go=1)
    assert "Ada" in other.result()
    watcher.tell(go=1)
    got = watcher.result()
    assert ["Grace", first["cell"], 0, 2] in got["cursor"] and "Grace" in got["peers"]


@both
def test_dependencies_of_a_peer(daemon, version):
    got = run_script(version, """
        async def main():
            c = client()
            nb = await c.create_notebook(dependencies=["pandas", "numpy>=1.26"])
            other = await c.join_notebook(nb.notebook_id)
            async def same():
                return await other.get_dependencies() == ["pandas", "numpy>=1.26"]
            await until(same, "the other client sees them")
            await other.remove_dependency("pandas")
            async def gone():
                return await nb.get_dependencies() == ["numpy>=1.26"]
            await until(gone, "gone on this side")
            return await nb._session.get_kernelspec()
        """, daemon)
    assert got["name"] == "python3"


@both
def test_an_edit_is_answered_at_once(daemon, version):
    """A client waits up to 500 ms for any frame after each edit (protocol.md 12.1): an answer must end that wait."""
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("x")
            times = []
            for i in range(20):
                t = time.monotonic()
                await cell.append("y")
                times.append(time.monotonic() - t)
            return sorted(times)[10]
        """, daemon)
    assert got < 0.4


@both
def test_slow_disk(daemon, version):
    """While nothing gets to the disk a new notebook is filled; the client does not wait for the answers as long as that."""
    daemon.faults(f"sync stall 0 0 {daemon.docs}")
    script = Script(version, """
        async def main():
            nb = await client().create_notebook()
            cells = [await nb.cells.create("print(%d)" % i) for i in range(2)]
            say(made=[c.id for c in cells])
            await listen()
            await until(lambda: all(c.source for c in cells), "both are in the replica", 20)
            return nb.notebook_id
        """, daemon)
    made = script.event(60)["made"]
    daemon.faults()
    script.tell(go=True)
    id = script.result()
    other = daemon.sync(id)
    for i, cell in enumerate(made):
        other.wait_cell(cell, f"print({i})")
    assert other.ids() == made


@both
def test_no_endless_exchange(kernels, version):
    """After quiet nothing more is said, and what was said is bounded (protocol.md trap 12, README of the transcripts no. 6)."""
    proxy = wire.Proxy(kernels.socket, kernels.top / "proxy")
    kernels.at_stop(proxy.close)
    script = Script(version, """
        async def main():
            nb = await client().create_notebook()
            cells = [await nb.cells.create("print(%d)" % i) for i in range(5)]
            for cell in cells:
                await cell.run(90)
            await nb._session.get_queue_state()
            await cells[0].set_source("1 / 0")
            await cells[0].run(60)
            other = await client("second").join_notebook(nb.notebook_id)
            for i in range(5):
                await other.cells.create("more")
            await until(lambda: len(nb.cells) == 10, "all cells")
            say(quiet=1)
            await listen()
            return len(nb.cells)
        """, kernels, socket=proxy.path)
    script.event(180)
    total = len(proxy.frames)
    mark = total

    def quiet() -> bool:
        nonlocal mark
        time.sleep(1.0)
        new = len(proxy.since(mark))
        mark += new
        return new == 0

    until(quiet, "a second without a frame", 15)
    assert quiet() and quiet(), [f[1:2] + (f[3][:1],) for f in proxy.since(total)][:40]
    sync = [f for f in proxy.frames if f[4] == "frame" and f[3][:1] in (b"\0", b"\5")]
    assert len(sync) < 700, len(sync)
    script.tell(go=1)
    assert script.result() == 10


@pytest.mark.parametrize("version", ["2.1.3", "2.2.0"])
def test_list_outputs_of_later_clients(kernels, version):
    """These read outputs from the state document (today.md 3.4)."""
    got = run_script(version, """
        async def main():
            nb = await client().create_notebook()
            cell = await nb.cells.create("print('hello')\\n6 * 7")
            r = await cell.run(timeout_secs=90)
            return {"success": r.success, "types": [o.output_type for o in r.outputs], "stdout": r.stdout,
                    "cell": [o.output_type for o in cell.outputs]}
        """, kernels)
    assert got == {"success": True, "types": ["stream", "execute_result"], "stdout": "hello\n", "cell": ["stream", "execute_result"]}


def test_mixed_room(kernels):
    """2.0.2, 2.0.8 and a raw npm peer of both Automerge releases in one notebook; the file is good for Jupyter afterwards."""
    t = kernels.work / "t.ipynb"
    text = """
        async def main():
            c = client(ARGS["label"])
            nb = await (c.open_notebook(ARGS["path"]))
            mine = await nb.cells.create("print('of %s')" % ARGS["label"])
            say(ready=1)
            await listen()
            r = await mine.run(90)
            say(ran=r.stdout)
            await listen()
            await until(lambda: len(nb.cells) == 4, "four cells")
            return {c.source: [o.text for o in c.outputs] for c in nb.cells}
    """
    scripts = [Script(v, text, kernels, label=v, path=str(t)) for v in MARCH]
    raw = [kernels.open(t, lib="old", skeleton=True), kernels.open(t, lib="new")]
    for peer, id in zip(raw, ("old-peer", "new-peer")):
        peer.wait("p.doc.cells")
        peer.add(id, f"print('of {id}')")
    for s in scripts:
        s.event()
    for s in scripts:
        s.tell(go=1)
    for s in scripts:
        assert s.event(120)["ran"] == f"of {s.version}\n"
    for peer, id in zip(raw, ("old-peer", "new-peer")):
        assert peer.request("execute_cell", cell_id=id)["result"] == "cell_queued"
    for peer in raw:
        peer.wait("p.cells().length === 4 && p.cells().every(c => c.outputs.length === 1)", 60)
    for s in scripts:
        s.tell(go=1)
    wanted = {f"print('of {x}')" for x in (*MARCH, "old-peer", "new-peer")}
    for s in scripts:
        assert set(s.result()) == wanted
    kernels.level(*raw)
    assert raw[0].save()["result"] == "notebook_saved"
    check_file(t, kernels)


def check_file(path, daemon) -> None:
    """Validates with nbformat, and runs in nbconvert unchanged."""
    document = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(document)
    assert (document.nbformat, document.nbformat_minor) == (4, 5)
    out = daemon.work / "executed.ipynb"
    before = path.read_bytes()
    done = subprocess.run([str(KERNEL_PYTHON), "-m", "nbconvert", "--to", "notebook", "--execute", "--output", str(out), str(path)],
                          capture_output=True, text=True, timeout=180, env={**daemon.env, "JUPYTER_DATA_DIR": str(daemon.top / "ipython")})
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before
    ours = {c["id"]: c.get("outputs") for c in nb.parse(path)["cells"]}
    theirs = {c["id"]: c.get("outputs") for c in nb.parse(out)["cells"]}
    for id, outputs in ours.items():
        assert json.dumps(outputs and outputs[0].get("text")) == json.dumps(theirs[id] and theirs[id][0].get("text"))


def test_clients_are_the_ones_meant(daemon):
    for version in MARCH:
        where = run_script(version, """
            async def main():
                import importlib.metadata
                return [importlib.metadata.version("runtimed"), runtimed.__file__]
            """, daemon)
        assert where[0] == version and where[1].startswith(str(clients.wheel(version)))
