"""`runt exec`, `recover` and the daemon commands with a real daemon and real kernels."""
import json
import os
import signal
import subprocess
import time

import nbformat
from conftest import BUILD, USER_CACHE


def notebook(path, *sources, **metadata):
    cells = [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": s}
             for i, s in enumerate(sources)]
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def outputs_of(path):
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    return [cell.get("outputs", []) for cell in nb.cells]


def test_runs_and_saves(living):
    nb = notebook(living.home / "n.ipynb", "import sys\nprint('one')\nprint('two', file=sys.stderr)", "6*7", "",
                  "from IPython.display import HTML, Image, display\n"
                  "display(HTML('<b>' + 'x' * 20000 + '</b>'))\n"
                  "import base64\n"
                  "display(Image(base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=')))")
    done = living("exec", nb.name, "--output", "copy.ipynb", check=0, timeout=120)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[1/3] import sys") and "one" in lines and "Out[2]: 42" in lines
    assert done.stderr.strip() == "two"
    port = json.loads((living.base / "daemon.json").read_text())["blob_port"]
    assert any(line.startswith(f"[image/png, 68 bytes: http://127.0.0.1:{port}/blob/") for line in lines)
    assert any(line.startswith(f"[text/html, 20.0 kB: http://127.0.0.1:{port}/blob/") for line in lines)
    assert "3 cells ran" in done.stdout and f"Saved {nb}" in lines
    for path in (nb, living.home / "copy.ipynb"):
        first, second, third, fourth = outputs_of(path)
        assert {(o.name, o.text) for o in first} == {("stdout", "one\n"), ("stderr", "two\n")}
        assert second[0].data["text/plain"] == "42" and second[0].execution_count == 2
        assert third == [] and set(fourth[1].data) == {"text/plain", "image/png"}
    assert json.loads(living("ps", "--json", check=0).stdout)[0]["notebook_id"] == str(nb)


def test_error_stops_and_is_saved(living):
    nb = notebook(living.home / "n.ipynb", "print('fine')", "def f():\n    return 1 / 0\nf()", "print('never')")
    done = living("exec", nb, check=1, timeout=120)
    assert "ZeroDivisionError" in done.stdout and "\033" not in done.stdout and "never" not in done.stdout
    assert done.stderr == "Error: cell 2 failed: ZeroDivisionError: division by zero\n"
    first, second, third = outputs_of(nb)
    assert first[0].text == "fine\n" and second[0].ename == "ZeroDivisionError" and third == []
    report = json.loads(living("exec", nb, "--json", check=1, timeout=120).stdout)
    assert report["ok"] is False and report["error"] == "cell 2 failed: ZeroDivisionError: division by zero"
    assert [c["status"] for c in report["cells"]] == ["done", "error", "not_run"]
    assert report["cells"][0]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "fine\n"}]


def test_timeout_interrupts(living):
    nb = notebook(living.home / "n.ipynb", "import time\nprint('begun', flush=True)\ntime.sleep(100)", "1")
    done = living("exec", nb, "--timeout", "2", check=1, timeout=120)
    assert "did not end within 2 s" in done.stderr and "begun" in done.stdout
    first, second = outputs_of(nb)
    assert first[0].text == "begun\n" and first[1].ename == "KeyboardInterrupt" and second == []


def begin(living, nb, word):
    p = subprocess.Popen([str(BUILD / "runt"), "exec", str(nb)], env=living.env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in p.stdout:
        if line == word + "\n":
            return p
    raise AssertionError(p.stderr.read())


def test_output_comes_while_the_cell_runs_and_ctrl_c_saves(living):
    nb = notebook(living.home / "n.ipynb", "import time\nprint('begun')\ntime.sleep(100)")
    p = begin(living, nb, "begun")
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 130 and "interrupted" in err
    assert outputs_of(nb)[0][1].ename == "KeyboardInterrupt"


def test_ctrl_c_while_another_client_runs_a_cell_leaves_that_one_alone(living):
    go_on = living.home / "go-on"
    nb = notebook(living.home / "n.ipynb", "1", f"import os, time\nprint('begun')\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.02)")
    first, second = begin(living, nb, "begun"), begin(living, nb, "[1/2] 1")
    second.send_signal(signal.SIGINT)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 130 and "cell 1 still waits" in err
    go_on.touch()
    first.communicate(timeout=60)
    assert first.returncode == 0 and [o.text for o in outputs_of(nb)[1]] == ["begun\n"]


def test_kernel_death_is_a_failure(living):
    nb = notebook(living.home / "n.ipynb", "print('here')", "import os\nos._exit(3)", "print('never')")
    done = living("exec", nb, check=1, timeout=120)
    assert "Error: " in done.stderr and "never" not in done.stdout
    assert outputs_of(nb)[0][0].text == "here\n"


def test_recover_after_a_kill(living):
    nb = notebook(living.home / "n.ipynb", "import time\nprint('begun')\nprint('x' * 9000)\ntime.sleep(100)")
    p = begin(living, nb, "begun")
    living.daemon.kill()
    living.daemon.wait()
    p.communicate(timeout=60)
    assert p.returncode == 1
    listing = living("recover", "--list", check=0).stdout
    assert listing.startswith(str(nb).ljust(70))
    listed = json.loads(living("recover", "--list", "--json", check=0).stdout)
    assert [e["path"] for e in listed if not e["snapshot"]] == [str(nb)]
    target = living.home / "n-recovered.ipynb"
    done = living("recover", "n.ipynb", check=0)
    assert done.stdout.splitlines()[0] == f"Recovered 1 cells to {target}"
    before = target.read_bytes()
    assert "--force" in living("recover", "n.ipynb", check=1).stderr and target.read_bytes() == before
    assert outputs_of(target)[0][0].text.startswith("begun\n" + "x" * 9000)
    for name in (listed[0]["uuid"], listed[0]["hash"]):
        living("recover", name, "-o", "other.ipynb", check=0)
        assert (living.home / "other.ipynb").read_bytes() == before
    living("recover", "unknown.ipynb", check=1)


def test_what_cannot_be_run(living):
    assert "Error: " in living("exec", "none.ipynb", check=1).stderr
    assert "Error: " in living("exec", living.home, check=1).stderr
    bad = living.home / "bad.ipynb"
    bad.write_text("{ no json")
    assert "Error: " in living("exec", bad, check=1).stderr
    assert bad.read_text() == "{ no json"
    nb = notebook(living.home / "n.ipynb", "1")
    assert "cannot write" in living("exec", nb, "-o", "no/where.ipynb", check=1, timeout=120).stderr


def test_json_also_when_it_cannot_be_opened(living):
    bad = living.home / "bad.ipynb"
    bad.write_text("{ no json")
    unknown = "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11"
    for name, why in ((bad, "not valid JSON"), (living.home / "none.ipynb", "No such file"), (living.home, "not a notebook file"),
                      (unknown, "no notebook")):
        done = living("exec", name, "--json", check=1, timeout=120)
        report = json.loads(done.stdout)
        assert report.pop("notebook") == str(name) and why in report.pop("error") and done.stderr == ""
        assert report == {"ok": False, "saved": None, "output": None, "cells": []}


def test_standard_streams_may_be_closed_or_full(living):
    """A closed stdout is not taken by the connection to the daemon, and what cannot be printed is a failure."""
    nb = notebook(living.home / "n.ipynb", "print('here')")
    run = [str(BUILD / "runt"), "exec", str(nb)]
    shut = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *run], env=living.env, timeout=120)
    assert shut.returncode == 0 and outputs_of(nb)[0][0].text == "here\n"
    with open("/dev/full", "w") as full:
        done = subprocess.run(run, env=living.env, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "Error: cannot write the output: No space left on device\n")


def test_output_may_be_the_notebook_itself(living):
    nb = notebook(living.home / "n.ipynb", "print('here')")
    link, other = living.home / "link.ipynb", living.home / "other.ipynb"
    link.symlink_to(nb.name)
    for output in (nb, link):
        done = living("exec", nb, "-o", output, check=0, timeout=120)
        assert done.stdout.count("Saved ") == 1
    assert link.is_symlink() and outputs_of(nb)[0][0].text == "here\n"
    report = json.loads(living("exec", nb, "--json", "-o", nb, check=0, timeout=120).stdout)
    assert report["saved"] == report["output"] == str(nb)
    # A link to another file is followed, not replaced.
    link.unlink()
    other.write_text("")
    link.symlink_to(other.name)
    living("exec", nb, "-o", link, "--timeout", 2 ** 63 - 1, check=0, timeout=120)
    assert link.is_symlink() and outputs_of(other)[0][0].text == "here\n"


def test_what_comes_after_clear_output_is_shown(living):
    nb = notebook(living.home / "n.ipynb", "from IPython.display import clear_output, display\n"
                  "print('first')\ndisplay('shown')\nopen('ready', 'w').close()\n"
                  "import os, time\nwhile os.path.exists('ready'): time.sleep(.02)\nclear_output()\nprint('second')")
    p = begin(living, nb, "'shown'")
    (living.home / "ready").unlink()
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, err
    assert "second" in out.splitlines()


def test_ctrl_c_while_the_kernel_starts(runt):
    """The answer to the launch is still to come: it is not taken for the next one, and nothing is waited for."""
    runt.base.mkdir(parents=True)
    python = runt.home / "python"
    python.write_text("#!/bin/sh\nexec sleep 1000\n")
    python.chmod(0o755)
    nb = notebook(runt.home / "n.ipynb", "1")
    before = nb.read_bytes()
    try:
        runt("daemon", "start", check=0, RUNTIMED_PYTHON=str(python))
        p = subprocess.Popen([str(BUILD / "runt"), "exec", str(nb)], env=runt.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 30
        while not any(r.get("kernel_status") == "starting" for r in json.loads(runt("ps", "--json").stdout)):
            assert time.monotonic() < end and p.poll() is None
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        assert (p.returncode, err) == (130, "Error: interrupted\n") and "Saved" not in out
        assert nb.read_bytes() == before
    finally:
        runt("daemon", "stop", check=0, timeout=90)


def test_a_notebook_without_code_needs_no_kernel(living):
    nb = living.home / "n.ipynb"
    cell = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "text"}
    nb.write_text(json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5,
                              "metadata": {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}}))
    assert living("exec", nb, check=0, timeout=120).stdout.startswith("0 cells ran")


def test_stop_by_any_name(living):
    nb = notebook(living.home / "n.ipynb", "1")
    living("exec", nb, check=0, timeout=120)
    link = living.home / "link.ipynb"
    link.symlink_to(nb)
    living("stop", link, check=0)
    assert json.loads(living("ps", "--json", check=0).stdout) == []
    living("stop", nb, check=1)


def test_starts_the_daemon_by_itself(runt):
    runt.base.mkdir(parents=True)
    for name in ("default-env", "tools"):
        (runt.base / name).symlink_to(USER_CACHE / "runt" / name)
    nb = notebook(runt.home / "n.ipynb", "print(1 + 1)")
    try:
        assert "\n2\n" in runt("exec", nb, check=0, timeout=120).stdout
        pid = json.loads((runt.base / "daemon.json").read_text())["pid"]
        assert json.loads(runt("status", "--json", check=0).stdout)["running"] is True
        runt("daemon", "start", check=0)
        assert json.loads((runt.base / "daemon.json").read_text())["pid"] == pid
        runt("daemon", "restart", check=0, timeout=90)
        assert json.loads((runt.base / "daemon.json").read_text())["pid"] != pid
    finally:
        runt("daemon", "stop", check=0, timeout=90)
    assert json.loads(runt("status", "--json", check=0).stdout)["running"] is False


def test_doctor_repairs(runt):
    runt.base.mkdir(parents=True)
    for name in ("default-env", "tools"):
        (runt.base / name).symlink_to(USER_CACHE / "runt" / name)
    record = {"endpoint": str(runt.base / "runtimed.sock"), "pid": 2 ** 22 + 1, "version": "2.0.8+0000000",
              "started_at": "2026-03-20T11:18:00Z"}
    (runt.base / "daemon.json").write_text(json.dumps(record))
    try:
        report = json.loads(runt("doctor", "--fix", "--json", check=0, timeout=90).stdout)
        assert report["daemon_running"]["status"] == "ok" and report["daemon_state"]["status"] == "ok"
        assert report["version_match"]["status"] == "ok" and len(report["actions_taken"]) >= 2
    finally:
        runt("daemon", "stop", check=0, timeout=90)


def test_progress_on_a_terminal(living):
    """On a terminal there is a live line, colours stay, and NO_COLOR takes them away."""
    import pty
    nb = notebook(living.home / "n.ipynb", "import time\ntime.sleep(.5)", "1/0")
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        main, other = pty.openpty()
        p = subprocess.Popen([str(BUILD / "runt"), "exec", str(nb)], env={**living.env, "TERM": "xterm", **extra},
                             stdin=subprocess.DEVNULL, stdout=other, stderr=other)
        os.close(other)
        text = b""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                data = os.read(main, 65536)
            except OSError:
                break
            if not data:
                break
            text += data
        os.close(main)
        assert p.wait(10) == 1
        assert b"\r\033[K" in text and b"running" in text and b"ZeroDivisionError" in text
        assert (b"\033[31m" in text) == coloured
