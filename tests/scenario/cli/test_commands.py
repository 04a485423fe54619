"""`runt` against a scripted daemon: forms, exit codes, what goes over the wire (clients.md 1)."""
import hashlib
import json
import os
import subprocess
import time

import pytest
from conftest import BUILD
from peer import ScriptedDaemon

ROOMS = {"type": "rooms_list", "rooms": [
    {"notebook_id": "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11", "active_peers": 0, "had_peers": False, "has_kernel": False},
    {"notebook_id": "HOME/lab/sum.ipynb", "active_peers": 12, "had_peers": True, "has_kernel": True,
     "kernel_type": "python", "env_source": "uv:prewarmed", "kernel_status": "idle", "later_key": 1}]}
STATS = {"type": "stats", "stats": {
    "uv_available": 2, "uv_warming": 1, "uv_target": 5, "conda_available": 0, "conda_warming": 0, "conda_target": 0}}
ANSWERS = {"ping": {"type": "pong"}, "status": STATS, "list_rooms": {"type": "rooms_list", "rooms": []},
           "flush_pool": {"type": "flushed"}, "shutdown": {"type": "shutting_down"},
           "shutdown_notebook": {"type": "notebook_shutdown", "found": True}}


@pytest.fixture
def daemon(runt):
    scripted = ScriptedDaemon(runt.base, dict(ANSWERS))
    yield scripted
    scripted.close()


def test_version_and_help(runt):
    assert runt("--version", check=0).stdout == "runt 2.0.8\n"
    assert runt("-V", check=0).stdout == "runt 2.0.8\n"
    bare = runt(check=0).stdout
    assert bare.startswith("runt 2.0.8\n") and "Usage: runt <COMMAND>" in bare
    assert "jupyter" not in bare and "inspect" not in bare
    assert "--json" in runt("ps", "--help", check=0).stdout


def test_usage_errors(runt):
    for args in (["nope"], ["--nope"], ["ps", "--nope"], ["ps", "x"], ["exec"], ["logs", "-n"], ["logs", "-n", "x"],
                 ["daemon"], ["daemon", "nope"], ["recover"], ["stop"], ["inspect"]):
        done = runt(*args)
        assert done.returncode == 2, (args, done)
    assert "daemon stop" in runt("stop").stderr


def test_no_daemon(runt):
    for args in (["ps"], ["stop", "x"], ["inspect", "x"], ["daemon", "flush"], ["daemon", "shutdown"], ["daemon", "stop"]):
        done = runt(*args, check=1)
        assert done.stderr and not done.stdout
    assert len(runt("ps").stderr.splitlines()) == 2
    assert runt("daemon", "ping", check=1).stderr.startswith("Daemon not running: ")
    assert "not running" in runt("daemon", "status", check=0).stdout
    status = json.loads(runt("status", "--json", check=0).stdout)
    assert status["running"] is False and status["daemon_info"] is None and status["pool_stats"] is None


def test_ps(runt, daemon):
    assert runt("ps", check=0).stdout == "No open notebooks.\n"
    assert json.loads(runt("ps", "--json", check=0).stdout) == []
    rooms = json.loads(json.dumps(ROOMS).replace("HOME", str(runt.home)))
    daemon.answers["list_rooms"] = rooms
    assert json.loads(runt("notebooks", "--json", check=0).stdout) == rooms["rooms"]
    lines = runt("ps", check=0).stdout.splitlines()
    assert [c.strip() for c in lines[1].strip("│").split("│")] == ["NOTEBOOK", "KERNEL", "ENV", "STATUS", "PEERS"]
    assert lines[0][0] + lines[0][-1] == "╭╮" and lines[-1][0] + lines[-1][-1] == "╰╯"
    assert [c.strip() for c in lines[3].strip("│").split("│")][1:] == ["-", "-", "-", "0"]
    assert [c.strip() for c in lines[4].strip("│").split("│")] == ["~/lab/sum.ipynb", "python", "uv:prewarmed", "idle", "12"]
    assert len({len(line) for line in lines}) == 1
    assert "deprecated" in runt("rooms", check=0).stderr


def test_stop(runt, daemon):
    uuid = "0D9F9C1E-5b0c-4f0e-9d55-0b8f2f6f3a11"
    assert runt("stop", uuid, check=0).stdout == f"Shutdown notebook: {uuid.lower()}\n"
    lab = runt.home / "lab"
    lab.mkdir()
    runt("stop", "sub/../sum.ipynb", cwd=lab, check=0)
    assert [r["notebook_id"] for r in daemon.requests] == [uuid.lower(), str(lab / "sum.ipynb")]
    daemon.answers["shutdown_notebook"] = {"type": "notebook_shutdown", "found": False}
    assert len(runt("stop", uuid, check=1).stderr.splitlines()) == 2
    daemon.answers["shutdown_notebook"] = {"type": "error", "message": "cannot"}
    assert runt("stop", uuid, check=1).stderr == "Error: cannot\n"


def test_daemon_calls(runt, daemon):
    assert runt("daemon", "ping", check=0).stdout == "pong\n"
    assert "flushed" in runt("daemon", "flush", check=0).stdout
    assert runt("daemon", "shutdown", check=0).stdout == "Shutdown request sent\n"
    assert [r["type"] for r in daemon.requests] == ["ping", "flush_pool", "shutdown"]
    daemon.answers["ping"] = {"type": "what"}
    runt("daemon", "ping", check=1)
    daemon.answers["ping"] = None
    runt("daemon", "ping", check=1)


def test_status(runt, daemon):
    text = runt("daemon", "status", check=0).stdout
    lines = text.splitlines()
    assert "runtimed Daemon Status" in lines[0]
    assert "Daemon              running" in lines
    assert "Blob server         http://127.0.0.1:40123" in lines
    assert "  UV: 2/3 ready (1 warming)" in lines and "  Conda: 0/0 ready (0 warming)" in lines
    status = json.loads(runt("status", "--json", check=0).stdout)
    assert status["running"] and status["daemon_info"]["version"] == "2.0.8+abcdef0"
    assert status["pool_stats"] == STATS["stats"] and status["blob_url"] == "http://127.0.0.1:40123"
    assert set(status) == {"channel", "socket_path", "installed", "running", "dev_mode", "daemon_info", "pool_stats",
                           "paths", "env", "blob_url", "worktree_hash"}


def test_which_daemon(runt, tmp_path):
    """The endpoint of daemon.json; the default when it is stale; RUNTIMED_SOCKET_PATH before both."""
    other = ScriptedDaemon(tmp_path / "other", dict(ANSWERS), record=False)
    runt.base.mkdir(parents=True)
    record = {"endpoint": str(other.path), "pid": 1, "version": "v+1", "started_at": "2026-03-20T11:18:00Z"}
    (runt.base / "daemon.json").write_text(json.dumps(record))
    runt("daemon", "ping", check=0)
    assert len(other.requests) == 1
    third = ScriptedDaemon(tmp_path / "third", dict(ANSWERS), record=False)
    runt("daemon", "ping", check=0, RUNTIMED_SOCKET_PATH=f" {third.path} ")
    assert len(other.requests) == 1 and len(third.requests) == 1
    other.close()
    default = ScriptedDaemon(runt.base, dict(ANSWERS), record=False)
    runt("daemon", "ping", check=0)
    assert len(default.requests) == 1
    for peer in (third, default):
        peer.close()
    assert "does not exist" in runt("ps", check=1, RUNTIMED_SOCKET_PATH="/nowhere/at/all.sock").stderr


def test_channels(runt):
    assert json.loads(runt("status", "--json").stdout)["socket_path"] == str(runt.base / "runtimed.sock")
    nightly = json.loads(runt("status", "--json", RUNT_CHANNEL="nightly").stdout)
    assert nightly["channel"] == "nightly" and nightly["paths"]["base_dir"] == str(runt.cache / "runt-nightly")
    dev = json.loads(runt("status", "--json", RUNTIMED_WORKSPACE_PATH="/src/desktop").stdout)
    assert dev["dev_mode"] and dev["worktree_hash"] == hashlib.sha256(b"/src/desktop").hexdigest()[:12]
    assert dev["paths"]["base_dir"] == str(runt.base / "worktrees" / dev["worktree_hash"])


def test_logs(runt):
    runt("logs", check=1)
    runt.base.mkdir(parents=True)
    log = runt.base / "runtimed.log"
    log.write_bytes(b"".join(b"line %d\n" % i for i in range(5000)) + b"\xff not text\n")
    out = subprocess.run([str(BUILD / "runt"), "logs"], env=runt.env, capture_output=True).stdout
    assert len(out.splitlines()) == 50
    out = subprocess.run([str(BUILD / "runt"), "daemon", "logs", "-n", "2"], env=runt.env, capture_output=True).stdout
    assert out == b"line 4999\n\xff not text\n"
    assert subprocess.run([str(BUILD / "runt"), "logs", "-n0"], env=runt.env, capture_output=True).stdout == b""


def test_logs_follow_survives_rotation(runt):
    runt.base.mkdir(parents=True)
    log = runt.base / "runtimed.log"
    log.write_text("one\n")
    p = subprocess.Popen([str(BUILD / "runt"), "logs", "-f", "-n", "1"], env=runt.env, stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "one\n"
        with open(log, "a") as f:
            f.write("two\n")
        assert p.stdout.readline() == "two\n"
        log.rename(runt.base / "runtimed.log.1")
        log.write_text("three\n")
        assert p.stdout.readline() == "three\n"
        log.write_text("4\n")  # truncated in place
        assert p.stdout.readline() == "4\n"
    finally:
        p.kill()
        p.wait()


def test_doctor(runt, daemon):
    report = json.loads(runt("doctor", "--json", check=0).stdout)
    assert set(report) == {"installed_binary", "service_config", "socket_file", "daemon_state", "version_match",
                           "daemon_running", "diagnosis", "actions_taken"}
    assert report["daemon_running"]["status"] == "ok" and report["socket_file"]["status"] == "ok"
    assert report["service_config"]["status"] == "missing" and report["actions_taken"] == []
    assert "Diagnosis: " in runt("daemon", "doctor", check=0).stdout


def test_doctor_sees_stale_files(runt):
    scripted = ScriptedDaemon(runt.base, dict(ANSWERS))
    scripted.listener.close()
    record = json.loads((runt.base / "daemon.json").read_text())
    record["pid"] = 2 ** 22 + 1  # above any pid
    (runt.base / "daemon.json").write_text(json.dumps(record))
    report = json.loads(runt("doctor", "--json", check=0).stdout)
    assert report["daemon_state"]["status"] == "stale" and report["socket_file"]["status"] in ("stale", "ok")


def test_service_files(runt):
    binary = runt.home / "daemon-binary"
    binary.write_text("#!/bin/sh\necho runtimed 9.9\n")
    binary.chmod(0o755)
    assert "not installed" in runt("daemon", "uninstall", check=0).stdout
    runt("daemon", "install", "--binary", runt.home / "none", check=1)
    runt("daemon", "install", "--binary", binary, check=0)
    installed = runt.home / ".local/share/runt/bin/runtimed"
    assert installed.read_text() == binary.read_text() and os.access(installed, os.X_OK)
    unit = (runt.home / ".config/systemd/user/runtimed.service").read_text()
    for line in ("Type=simple", "Restart=on-failure", "RestartSec=5", f"Environment=HOME={runt.home}",
                 "WantedBy=default.target", f"ExecStart={installed} run"):
        assert line in unit.splitlines()
    runt("daemon", "install", "--binary", binary, check=1)
    assert json.loads(runt("status", "--json").stdout)["installed"] is True
    runt("daemon", "uninstall", check=0)
    assert not installed.exists() and json.loads(runt("status", "--json").stdout)["installed"] is False


def test_inspect(runt):
    source = "é" * 100
    answers = {**ANSWERS, "inspect_notebook": {
        "type": "notebook_state", "notebook_id": "/n.ipynb", "source": "live_room", "kernel_info": None, "cells": [
            {"id": "c", "cell_type": "code", "position": "80", "source": source, "execution_count": "5",
             "outputs": ["3f" * 32, json.dumps({"output_type": "stream", "name": "stdout", "text": "x"})], "metadata": {}}]}}
    scripted = ScriptedDaemon(runt.base, answers)
    out = json.loads(runt("inspect", "/n.ipynb", "--json", check=0).stdout)
    cell = out["cells"][0]
    assert out["kernel_info"] is None and cell["source_preview"] == source[:80] and cell["source_len"] == 200
    assert [o["output_type"] for o in cell["outputs"]] == ["manifest", "stream"] and "output" not in cell["outputs"][1]
    full = json.loads(runt("inspect", "/n.ipynb", "--json", "--full-outputs", check=0).stdout)
    assert full["cells"][0]["outputs"][1]["output"]["text"] == "x"
    assert "count=5" in runt("inspect", "/n.ipynb", check=0).stdout
    answers["inspect_notebook"] = {"type": "error", "message": "Notebook not found: /n.ipynb"}
    scripted.answers = answers
    assert "Notebook not found" in runt("inspect", "/n.ipynb", check=1).stderr
    scripted.close()


def test_slow_daemon_is_given_up(runt):
    """A daemon that takes the connection and says nothing costs five seconds, not for ever."""
    scripted = ScriptedDaemon(runt.base, {**ANSWERS, "list_rooms": lambda r: time.sleep(7)})
    started = time.monotonic()
    runt("ps", check=1)
    assert 4 < time.monotonic() - started < 7
    scripted.close()


def test_dev_commands_need_the_variable(runt):
    assert len(runt("dev", "worktrees", check=1).stderr.splitlines()) == 2
    state = runt.base / "worktrees" / "0123456789ab"
    state.mkdir(parents=True)
    (state / "x").write_text("x")
    assert json.loads(runt("dev", "worktrees", "--json", check=0, RUNTIMED_DEV="0").stdout)[0]["hash"] == "0123456789ab"
    runt("dev", "clean", check=2, RUNTIMED_DEV="0")
    runt("dev", "clean", "--all", "--dry-run", check=0, RUNTIMED_DEV="0")
    assert state.exists()
    runt("dev", "clean", "--hash", "0123456789ab", "-y", check=0, RUNTIMED_DEV="0")
    assert not state.exists()


def test_start_in_dev_mode_is_refused(runt):
    assert "runtimed run" in runt("daemon", "start", check=1, RUNTIMED_WORKSPACE_PATH="/src/x").stderr
