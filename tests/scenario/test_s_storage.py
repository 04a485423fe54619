"""Disk full, read-only, failing disks (design.md 7.11): honest answers, nothing lost."""
import fcntl
import os
import resource
import subprocess

import pytest

from support import notebooks as nb
from support.daemon import stays, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted")


@pytest.fixture
def small_disk(daemon):
    """A file system of 256 KiB below W."""
    folder = daemon.work / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    daemon.at_stop(lambda: subprocess.run(["umount", "-l", str(folder)], check=False))
    return folder


def fill(folder) -> None:
    with open(folder / "ballast", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass


@needs_root
def test_s1_save_onto_a_full_disk(daemon, small_disk):
    fill(small_disk)
    u = daemon.create()
    u.add("x", "1")
    answer = u.save(small_disk / "t.ipynb")
    assert answer["result"] == "error" and "Failed to write" in answer["error"], answer
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]
    daemon.wait_rooms(u.id)
    (small_disk / "ballast").unlink()
    assert u.save(small_disk / "t.ipynb")["result"] == "notebook_saved"


@needs_root
def test_s2_autosave_onto_a_full_disk(daemon, small_disk):
    t = small_disk / "t.ipynb"
    data = nb.write(t, nb.sources(2))
    c = daemon.open(t)
    c.wait_cell("cell1")
    fill(small_disk)
    c.add("x", "y" * 20000)
    c.wait_acked()
    stays(lambda: t.read_bytes() == data, "the old file is whole", 4)
    answer = c.save()
    assert answer["result"] == "error" and "Failed to write" in answer["error"], answer
    assert t.read_bytes() == data
    (small_disk / "ballast").unlink()
    until(lambda: nb.on_disk(t, x="y" * 20000), "written once there is room", 40, 0.1)


@needs_root
def test_s3_read_only_disk(daemon, small_disk):
    t = small_disk / "t.ipynb"
    data = nb.write(t, nb.sources(1))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    c = daemon.open(t)
    c.wait_cell("cell0")
    c.add("x", "1")
    c.wait_acked()
    answer = c.save()
    assert answer["result"] == "error" and ("Read-only" in answer["error"] or "Failed to write" in answer["error"]), answer
    assert t.read_bytes() == data
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert c.save()["result"] == "notebook_saved"
    assert nb.on_disk(t, x="1")


def test_s4_journal_disk_fails(daemon, work):
    """Acknowledgements go on from the runtime directory, and survive SIGKILL."""
    u = daemon.create()
    u.add("before", "1")
    u.wait_acked()
    daemon.faults(f"create,write,sync,rename fail 0 28 {daemon.docs}")
    u.add("during", "2")
    u.wait_acked()
    u.wait_event("storage_error")
    u.broken = True
    daemon.kill()
    daemon.faults()
    daemon.start()
    again = daemon.create(u.id)
    again.wait_cell("before", "1")
    again.wait_cell("during", "2")


def test_s5_no_place_to_write(daemon):
    """With the runtime directory failing too nothing is acknowledged, and it recovers by itself."""
    u, v = daemon.create(), None
    u.add("before", "1")
    u.wait_acked()
    v = daemon.sync(u.id)
    v.wait_cell("before")
    daemon.faults(f"create,write,sync,rename fail 0 5 {daemon.docs}", f"create,write,sync,rename fail 0 5 {daemon.run_dir}")
    u.add("during", "2")
    stays(lambda: not u.ask("p.acked()"), "no acknowledgement", 2)
    v.wait_cell("during", "2")
    daemon.faults()
    u.wait_acked(40)
    u.broken = True
    daemon.kill()
    daemon.start()
    daemon.create(u.id).wait_cell("during", "2")


def test_s6_torn_writes(daemon):
    u = daemon.create()
    u.add("before", "1")
    u.wait_acked()
    daemon.faults(f"write tear 1 28 {daemon.docs}")
    u.add("torn", "2" * 3000)
    u.wait_acked(40)
    u.broken = True
    daemon.kill()
    daemon.faults()
    daemon.start()
    again = daemon.create(u.id)
    again.wait_cell("before", "1")
    again.wait_cell("torn", "2" * 3000)


def test_s7_file_size_limit(start):
    """RLIMIT_FSIZE: SIGXFSZ must not end the daemon; saves answer honestly."""
    daemon = start()
    hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (65536, hard))
    u = daemon.create()
    u.add("big", "z" * 200000)
    t = daemon.work / "t.ipynb"
    answer = u.begin_save(t)
    stays(lambda: daemon.process.poll() is None, "the daemon lives", 1)
    if answer.result(40)["result"] == "error":
        assert "Failed to write" in answer.result()["error"]
        assert not t.exists()
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    u.wait_acked(40)
    assert u.save(t)["result"] == "notebook_saved"


def test_s_stop_keeps_the_lock_until_all_is_written(start):
    """What a worker still writes when the daemon ends is written while no other daemon may start."""
    daemon = start()
    daemon.stop()
    settings = daemon.base / "settings.automerge"
    settings.unlink()
    daemon.faults(f"create stall 1 0 {daemon.base}/.settings")
    daemon.start()
    daemon.process.terminate()
    until(lambda: daemon.log().count("stopping") == 2, "it stops", 15)

    def locked() -> bool:
        with open(daemon.base / "daemon.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    stays(lambda: locked() and not settings.exists(), "the lock is held and nothing written", 0.3)
    daemon.faults()
    assert daemon.wait_dead() == 0
    assert settings.exists() and not locked()
