"""rooms.md 15 H and clients.md 1: the command line against a living daemon."""
import errno
import json
import re
import subprocess
import time
import uuid

import pytest

from support import notebooks as nb
from support.daemon import BUILD, stays, until


def rooms_json(daemon) -> list:
    done = daemon.runt("notebooks", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_h1_notebooks_json(daemon, work):
    assert rooms_json(daemon) == []
    u = daemon.create()
    assert [r["notebook_id"] for r in rooms_json(daemon)] == [u.id]
    for name in ("b", "a"):
        nb.write(work / f"{name}.ipynb", nb.sources(1))
        daemon.open(work / f"{name}.ipynb")
    rooms = rooms_json(daemon)
    ids = [r["notebook_id"] for r in rooms]
    assert ids == sorted([u.id, f"{work}/a.ipynb", f"{work}/b.ipynb"])
    for r in rooms:
        assert isinstance(r["active_peers"], int) and r["has_kernel"] is False
        assert {"notebook_id", "active_peers", "has_kernel"} <= set(r)


def test_h2_notebooks_table(daemon, work):
    for alias in ("ps", "notebooks"):
        done = daemon.runt(alias)
        assert done.returncode == 0 and done.stdout.strip() == "No open notebooks."
    nb.write(work / "t.ipynb", nb.sources(1))
    daemon.open(work / "t.ipynb")
    out = daemon.runt("ps").stdout
    for word in ("NOTEBOOK", "KERNEL", "ENV", "STATUS", "PEERS", "t.ipynb"):
        assert word in out, out


@pytest.mark.parametrize("arguments", [["ps"], ["notebooks", "--json"], ["stop", "/nowhere.ipynb"], ["daemon", "ping"], ["daemon", "flush"],
                                       ["daemon", "shutdown"]], ids=" ".join)
def test_h3_daemon_down(daemon, arguments):
    daemon.stop()
    done = daemon.runt(*arguments)
    assert done.returncode == 1 and done.stderr.strip() and not done.stdout.strip(), done


def test_h4_recover(daemon, work):
    t = work / "t.ipynb"
    nb.write(t, [nb.cell("cell0", "print(1)", outputs=[{"name": "stdout", "output_type": "stream", "text": ["1\n"]}], count=1)])
    c = daemon.open(t)
    c.wait_cell("cell0")
    c.add("x", "unsaved")
    c.wait_acked()
    daemon.kill()
    listed = daemon.runt("recover", "--list")
    assert listed.returncode == 0 and listed.stdout.strip(), listed
    out = work / "out.ipynb"
    done = daemon.runt("recover", t, "-o", out)
    assert done.returncode == 0 and re.search("Recovered 2 cells", done.stdout), done
    import nbformat
    nbformat.validate(nbformat.read(out, as_version=4))
    assert nb.disk(out) == {"cell0": "print(1)", "x": "unsaved"}
    [output] = nb.parse(out)["cells"][0]["outputs"]
    assert output["output_type"] == "stream" and nb.text_of(output["text"]) == "1\n"
    assert nb.disk(t) == {"cell0": "print(1)"}, "the notebook itself is untouched"


def test_h5_recover_untitled(daemon, work):
    u = daemon.create()
    u.add("x", "1")
    u.wait_acked()
    daemon.kill()
    out = work / "out.ipynb"
    done = daemon.runt("recover", u.id, "-o", out)
    assert done.returncode == 0, done
    assert nb.disk(out) == {"x": "1"}
    missing = daemon.runt("recover", str(uuid.uuid4()), "-o", work / "no.ipynb")
    assert missing.returncode == 1 and missing.stderr.strip() and not (work / "no.ipynb").exists()


def test_h5_recover_usage(daemon):
    assert daemon.runt("recover").returncode in (1, 2)
    daemon.stop()
    done = daemon.runt("recover", "--list")
    assert done.returncode == 0 and "No recoverable notebooks found." in done.stderr, done


def test_h6_stop(daemon, work):
    u = daemon.create()
    u.add("x", "1")
    old = u.id
    u.save(work / "t.ipynb")
    done = daemon.runt("stop", old)
    assert done.returncode == 0 and "Shutdown notebook" in done.stdout, done
    u.wait("p.closed")
    daemon.wait_rooms()
    daemon.open(work / "t.ipynb")
    (work / "link").symlink_to(".")
    done = daemon.runt("stop", "link/t.ipynb")
    assert done.returncode == 0, done
    daemon.wait_rooms()
    assert daemon.runt("stop", work / "t.ipynb").returncode == 1


def test_h7_status(daemon):
    status = json.loads(daemon.runt("daemon", "status", "--json").stdout)
    assert status["running"] is True and status["socket_path"] == str(daemon.socket) and status["channel"] == "stable"
    assert status["daemon_info"]["pid"] == daemon.pid and status["pool_stats"]["uv_target"] == 0
    assert status["blob_url"] == f"http://127.0.0.1:{status['daemon_info']['blob_port']}"
    assert daemon.runt("daemon", "ping").stdout.strip() == "pong"
    assert daemon.runt("status").returncode == 0
    daemon.stop()
    status = json.loads(daemon.runt("daemon", "status", "--json").stdout)
    assert status["running"] is False


def test_h8_usage(daemon):
    assert re.fullmatch(r"runt \d+\.\d+\.\d+", daemon.runt("--version").stdout.strip())
    assert daemon.runt("--no-such-flag").returncode == 2
    assert daemon.runt("no-such-command").returncode == 2
    assert daemon.runt().returncode == 0
    assert daemon.runt("stop").returncode == 2
    assert daemon.runt("--help").returncode == 0


def test_h9_shutdown(daemon):
    done = daemon.runt("daemon", "shutdown")
    assert done.returncode == 0 and "Shutdown request sent" in done.stdout
    assert daemon.wait_dead() == 0


def test_h10_inspect(daemon, work):
    nb.write(work / "t.ipynb", [nb.cell("cell0", "print(1)", outputs=[{"name": "stdout", "output_type": "stream", "text": ["1\n"]}], count=7)])
    daemon.open(work / "t.ipynb").wait_cell("cell0")
    state = json.loads(daemon.runt("inspect", "t.ipynb", "--json").stdout)
    assert state["notebook_id"] == f"{work}/t.ipynb" and state["source"] == "live_room" and state["kernel_info"] is None
    [cell] = state["cells"]
    assert cell["id"] == "cell0" and cell["source_preview"] == "print(1)" and cell["source_len"] == 8 and cell["execution_count"] == "7"
    assert len(cell["outputs"]) == 1


def test_h11_logs(daemon):
    done = daemon.runt("daemon", "logs", "-n", "5")
    assert done.returncode == 0 and 0 < done.stdout.count("\n") <= 5


def test_h12_exec(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    nb.write(t, [nb.cell("a", "print('from a')"), nb.cell("b", "6 * 7")])
    done = daemon.runt("exec", t, timeout=120)
    assert done.returncode == 0, done
    assert "from a" in done.stdout and "42" in done.stdout
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not nb.parse(t)["cells"][1]["outputs"]:
        time.sleep(0.1)
    assert nb.text_of(nb.parse(t)["cells"][0]["outputs"][0]["text"]) == "from a\n"
    # Still open, and changed by another program a moment ago: what runs is what the file says.
    nb.write(t, [nb.cell("a", "1 / 0"), nb.cell("b", "print('never')")])
    done = daemon.runt("exec", t, timeout=120)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout + done.stderr and "never\n" not in done.stdout


def test_h13_exec_counts_the_time_of_the_cell_alone(start):
    """What somebody else queued before it is no time of the cell."""
    daemon = start(kernels=True)
    t, go = daemon.work / "t.ipynb", daemon.work / "go"
    nb.write(t, [nb.cell("a", "print('from a')")])
    other = daemon.open(t)
    other.add("w", f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(.02)")
    other.wait_acked()
    until(lambda: daemon.rooms()[str(t)].get("kernel_status") == "idle", "the kernel", 40)
    first = other.request("execute_cell", cell_id="w")["execution_id"]
    run = subprocess.Popen([str(BUILD / "runt"), "exec", str(t), "--timeout", "2", "--json"], env=daemon.env, cwd=daemon.work, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        other.wait_event("queue_changed", 30, queued=["a"])
        stays(lambda: run.poll() is None, "the cell waits behind that of another peer", 3)
        go.touch()
        other.wait_event("execution_done", 30, execution_id=first)
        # Cell w, which came meanwhile, runs too and ends at once.
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    report = json.loads(out)
    assert run.returncode == 0 and report["ok"], (out, err)
    assert [c["status"] for c in report["cells"]] == ["done", "done"]


def test_h14_exec_writes_the_output_where_the_notebook_cannot_be(start):
    daemon = start(kernels=True)
    t = daemon.work / "t.ipynb"
    before = nb.write(t, [nb.cell("a", "print('from a')")])
    daemon.faults(daemon.fault_write(t, errno.ENOSPC))
    done = daemon.runt("exec", t, "-o", "copy.ipynb", timeout=120)
    assert done.returncode == 0 and "Failed to write" in done.stderr, done
    assert nb.text_of(nb.parse(daemon.work / "copy.ipynb")["cells"][0]["outputs"][0]["text"]) == "from a\n"
    assert t.read_bytes() == before
    assert daemon.runt("exec", t, timeout=120).returncode == 1
    daemon.faults()
