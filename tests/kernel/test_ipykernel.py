"""Runs the kernel layer's tests against a real ipykernel, one by one."""
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).with_name("ipykernel_test.c")
PROGRAM = pathlib.Path(os.environ.get("RUNTIMED_BUILD", "build")) / "tests/kernel/ipykernel_test"
NAMES = re.findall(r"static void (test_\w+)\(void \*\*state\)", SOURCE.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_ipykernel(name):
    done = subprocess.run([str(PROGRAM), "--only", name], capture_output=True, text=True, timeout=180)
    if done.returncode == 77:
        pytest.skip("no interpreter with ipykernel")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 test(s) run" in done.stdout + done.stderr
