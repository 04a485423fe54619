"""rooms.md 15 E: autosave, journal, and other programs at the file."""
import os
import shutil
import time

from support import cache
from support import notebooks as nb
from support.daemon import stays, until


def opened(daemon, cells=3, name="t.ipynb"):
    t = daemon.work / name
    nb.write(t, nb.sources(cells))
    c = daemon.open(t)
    c.wait(f"p.cells().length === {cells}")
    return t, c


def replace_file(path, cells, **metadata) -> None:
    """As editors write: a new file, moved over the old one."""
    new = path.with_suffix(".tmp-of-an-editor")
    nb.write(new, cells, **metadata)
    os.replace(new, path)


def test_e1_one_edit(daemon):
    t, c = opened(daemon)
    c.add("x", "1")
    until(lambda: nb.on_disk(t, x="1"), "autosaved", 3.5)
    c.wait_event("notebook_autosaved", path=str(t))
    stays(lambda: c.ask("p.eventCount('notebook_autosaved')") == 1, "one announcement", 4)


def test_e2_steady_edits(daemon):
    t, c = opened(daemon)
    last, longest, seen = time.monotonic(), 0.0, t.read_bytes()
    for i in range(50):
        c.set("cell0", f"x = {i}")
        until_next = time.monotonic() + 0.5
        while time.monotonic() < until_next:
            now = t.read_bytes()
            if now != seen:
                seen, longest, last = now, max(longest, time.monotonic() - last), time.monotonic()
            time.sleep(0.05)
    assert max(longest, time.monotonic() - last) < 11.5


def test_e3_edit_during_the_write(daemon):
    t, c = opened(daemon)
    daemon.faults(daemon.stall_rename(t))
    c.add("first", "1")
    until(lambda: list(t.parent.glob(".t.ipynb.*")), "the autosave writes", 6)
    c.add("second", "2")
    c.wait_acked()
    daemon.faults()
    until(lambda: nb.on_disk(t, first="1", second="2"), "a second write follows", 8)
    c.wait_event("notebook_autosaved")
    stays(lambda: c.ask("p.eventCount('notebook_autosaved')") == 1, "none for the stale write", 3)


def test_e4_replaced_three_times(daemon):
    t, c = opened(daemon)
    for i in range(3):
        replace_file(t, [*nb.sources(3), nb.cell("outside", f"version {i}")])
        c.wait_cell("outside", f"version {i}", 10)
    assert c.ids() == ["cell0", "cell1", "cell2", "outside"]


def test_e4_written_in_place(daemon):
    t, c = opened(daemon)
    for i in range(3):
        nb.write(t, [nb.cell("outside", f"version {i}"), *nb.sources(3)])
        c.wait_cell("outside", f"version {i}", 10)
    c.wait("p.cells()[0].id === 'outside'")
    assert nb.disk(t)["outside"] == "version 2"


def test_e5_both_sides(daemon):
    t, c = opened(daemon)
    replace_file(t, [nb.cell("cell0", "outside edit\n"), *nb.sources(2, start=1)])
    c.add("cell9", "inside")
    c.wait_cell("cell0", "outside edit\n", 10)
    until(lambda: nb.on_disk(t, cell0="outside edit\n", cell9="inside", cell1="x1 = 1\n"), "the file has both", 8)
    assert c.ids() == ["cell0", "cell1", "cell2", "cell9"]


def test_e5_same_cell_on_both_sides(daemon):
    t, c = opened(daemon)
    c.set("cell1", "x1 = 'live'\n")
    replace_file(t, [nb.cell("cell0", "x0 = 0\n"), nb.cell("cell1", "x1 = 'outside'\n"), nb.cell("cell2", "x2 = 2\n")])
    until(lambda: {"x1 = 'live'\n", "x1 = 'outside'\n"} <= set(c.sources().values()), "neither text is lost", 10)
    until(lambda: {"x1 = 'live'\n", "x1 = 'outside'\n"} <= set(nb.disk(t).values()), "on disk too", 10)


def test_e5_outside_deletion_keeps_live_edits(daemon):
    t, c = opened(daemon)
    c.set("cell1", "edited")
    replace_file(t, nb.sources(1))
    c.wait("!p.cell('cell2')", 10)
    stays(lambda: c.sources().get("cell1") == "edited", "an edited cell is not deleted", 1)


def test_e6_steady_typing(daemon):
    t, c = opened(daemon)
    c.set("cell0", "")
    typed = ""
    end = time.monotonic() + (30 if cache.LONG else 9)
    while time.monotonic() < end:
        letter = "abcdefghij\n"[len(typed) % 11]
        c.splice("cell0", len(typed), 0, letter)
        typed += letter
        time.sleep(0.04)
    assert c.sources()["cell0"] == typed
    until(lambda: nb.on_disk(t, cell0=typed), "all on disk", 5)
    assert c.sources()["cell0"] == typed


def test_e7_removed_file(daemon):
    t, c = opened(daemon)
    t.unlink()
    stays(lambda: not t.exists(), "absent until an edit", 5)
    assert len(c.cells()) == 3
    c.add("x", "1")
    until(lambda: nb.on_disk(t, x="1", cell2="x2 = 2\n"), "written again", 6)


def test_e8_moved_file(daemon):
    t, c = opened(daemon)
    t2 = daemon.work / "t2.ipynb"
    t.rename(t2)
    d = daemon.open(t2)
    d.wait("p.cells().length === 3")
    room = daemon.wait_rooms(str(t2))[str(t2)]
    assert room["active_peers"] == 2
    c.wait_event("room_renamed", new_notebook_id=str(t2))
    d.add("x", "1")
    c.wait_cell("x", "1")
    until(lambda: nb.on_disk(t2, x="1"), "saved at the new path", 5)
    stays(lambda: not t.exists(), "not made again", 3)


def test_e9_directory_moved_away(daemon):
    folder = daemon.work / "sub"
    folder.mkdir()
    t, c = opened(daemon, name="sub/t.ipynb")
    lines = daemon.log().count("\n")
    folder.rename(daemon.work / "elsewhere")
    c.add("x", "1")
    c.wait_acked()
    stays(lambda: not folder.exists(), "no directory is made", 10)
    assert daemon.log().count("\n") - lines < 20
    (daemon.work / "elsewhere").rename(folder)
    until(lambda: nb.on_disk(t, x="1"), "saved once it is back", 35, 0.1)
    assert c.sources()["x"] == "1"


def test_e10_symlink(daemon):
    real = daemon.work / "real.ipynb"
    nb.write(real, nb.sources(1))
    t = daemon.work / "t.ipynb"
    t.symlink_to("real.ipynb")
    c = daemon.open(t)
    assert c.id == str(real)
    c.wait_cell("cell0")
    c.add("x", "1")
    until(lambda: nb.on_disk(real, x="1"), "the target has it", 5)
    assert t.is_symlink() and os.readlink(t) == "real.ipynb"


def test_e11_hard_link(daemon):
    t, c = opened(daemon)
    h = daemon.work / "h.ipynb"
    os.link(t, h)
    d = daemon.open(h)
    d.wait("p.cells().length === 3")
    assert len(daemon.rooms()) == 1
    c.add("x", "1")
    d.wait_cell("x", "1")
    until(lambda: nb.on_disk(t, x="1") and nb.on_disk(h, x="1"), "both names show it", 5)
    assert t.stat().st_nlink == 2 and t.samefile(h)


def test_e12_a_reader_is_no_editor(daemon):
    t, c = opened(daemon)
    time.sleep(2)
    c.add("x", "1")
    c.wait_acked()
    until(lambda: nb.on_disk(t, x="1"), "autosaved", 5)
    before = t.stat().st_mtime_ns
    t.read_bytes()
    c.add("y", "2")
    c.wait_acked()
    t.read_bytes()
    stays(lambda: "y" in c.sources(), "the cell is still there", 1)
    until(lambda: nb.on_disk(t, x="1", y="2"), "saved", 5)
    before = t.stat().st_mtime_ns
    t.read_bytes()
    stays(lambda: t.stat().st_mtime_ns == before, "reading causes no write", 3)


def test_e13_edit_right_after_the_file_was_written(daemon):
    for pause in (0.1, 1.5):
        t = daemon.work / f"t{pause}.ipynb"
        nb.write(t, nb.sources(2))
        c = daemon.open(t)
        c.wait("p.cells().length === 2")
        time.sleep(pause)
        c.add("x", "1")
        stays(lambda: "x" in c.sources(), "the cell is still there", 3)
        assert nb.on_disk(t, x="1")


def test_e14_checkout_of_an_older_version_is_an_outside_edit(daemon):
    t, c = opened(daemon)
    first = t.read_bytes()
    c.set("cell0", "new")
    until(lambda: nb.on_disk(t, cell0="new"), "autosaved", 5)
    c.wait_event("notebook_autosaved")
    t.write_bytes(first)
    c.wait_cell("cell0", "x0 = 0\n", 10)


def test_e15_unreadable_content_is_ignored(daemon):
    t, c = opened(daemon)
    t.write_bytes(b'{"cells": [')
    stays(lambda: len(c.cells()) == 3, "the cells stay", 2)
    nb.write(t, [*nb.sources(3), nb.cell("late", "whole again")])
    c.wait_cell("late", "whole again", 10)
    assert len(c.cells()) == 4


def test_e16_the_files_own_form_is_kept(daemon):
    """Unchanged cells, key order, indentation, the last newline and numbers stay as they were (design.md 7.8)."""
    t = daemon.work / "t.ipynb"
    text = ('{\n    "nbformat": 4,\n    "nbformat_minor": 5,\n    "metadata": {"z": 1.0, "a": -0, "big": 123456789012345678901234567890, "u": "\\u00e9/"},\n'
            '    "cells": [\n        {"id": "one", "cell_type": "code", "source": "a = 1", "metadata": {"k": 1e3}, "outputs": [], '
            '"execution_count": null},\n        {"id": "two", "cell_type": "markdown", "source": ["# T\\n", "x"], "metadata": {}}\n    ]\n}')
    t.write_text(text)
    c = daemon.open(t)
    c.wait("p.cells().length === 2")
    c.set("two", "# T\ny")
    until(lambda: nb.on_disk(t, two="# T\ny"), "autosaved", 5)
    now = t.read_text()
    for part in ('"z": 1.0', '"a": -0', "123456789012345678901234567890", '"\\u00e9/"', '"k": 1e3', '"source": "a = 1"'):
        assert part in now, part
    assert now.index('"nbformat"') < now.index('"metadata"') and not now.endswith("\n")


def test_e17_mode_is_kept(daemon):
    t, c = opened(daemon)
    t.chmod(0o640)
    c.add("x", "1")
    until(lambda: nb.on_disk(t, x="1"), "autosaved", 5)
    assert t.stat().st_mode & 0o777 == 0o640


def test_e18_removed_directory_and_back(daemon):
    folder = daemon.work / "sub"
    folder.mkdir()
    t, c = opened(daemon, name="sub/t.ipynb")
    shutil.rmtree(folder)
    c.add("x", "1")
    c.wait_acked()
    folder.mkdir()
    until(lambda: nb.on_disk(t, x="1", cell0="x0 = 0\n"), "written once there is a place", 35, 0.1)


def test_e19_opened_right_after_it_was_written(daemon):
    """Who opens a notebook that is open sees the file as it is, before the watcher's event is dealt with."""
    t, c = opened(daemon)
    for n in range(2, 12):
        nb.write(t, nb.sources(n))
        d = daemon.open(t)
        assert d.info["cell_count"] == n
        d.close()
    c.wait("p.cells().length === 11")
    t.rename(daemon.work / "moved.ipynb")
    nb.write(daemon.work / "moved.ipynb", nb.sources(12))
    assert daemon.open(daemon.work / "moved.ipynb").info["cell_count"] == 12


def test_e20_write_of_another_program_during_ours(daemon):
    """Between the comparison with the file and the rename the file may change."""
    t, c = opened(daemon)
    daemon.faults(f"sync stall 0 0 {t.parent / ('.' + t.name)}")
    c.add("inside", "1")
    until(lambda: list(t.parent.glob(".t.ipynb.*")), "the autosave writes beside it", 6)
    nb.write(t, [*nb.sources(3), nb.cell("outside", "2")])
    daemon.faults()
    c.wait_cell("outside", "2", 10)
    until(lambda: nb.on_disk(t, inside="1", outside="2"), "both", 10)
    assert not list(t.parent.glob(".t.ipynb.*"))
