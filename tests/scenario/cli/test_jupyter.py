"""`runt jupyter`: plain kernels, without the daemon (clients.md 1.6)."""
import json
import subprocess

import pytest
from conftest import BUILD, USER_CACHE


@pytest.fixture
def jupyter(runt):
    python = USER_CACHE / "runt/default-env/bin/python"
    spec = runt.home / ".local/share/jupyter/kernels/mine"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Mine",
        "language": "python", "env": {"FROM_SPEC": "yes"}}))
    runt.files = runt.home / ".local/share/jupyter/runtime"
    yield lambda *args, **more: runt("jupyter", *args, **more)
    runt("jupyter", "stop", "--all")
    assert not list(runt.files.glob("runt-kernel-*.json")) if runt.files.exists() else True


def started(done):
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Kernel started with ID: ") and lines[1].startswith("Connection file: ")
    return lines[0].rsplit(" ", 1)[1], lines[1].split(": ", 1)[1]


def test_life_of_a_kernel(runt, jupyter):
    assert jupyter("ps", check=0).stdout == "No running kernels found.\n"
    assert json.loads(jupyter("ps", "--json", check=0).stdout) == []
    name, path = started(jupyter("start", "mine", check=0))
    assert path == str(runt.files / f"runt-kernel-{name}.json")
    code = "import sys, os\nprint('out'); print('err', file=sys.stderr)\nos.environ['FROM_SPEC']"
    done = jupyter("exec", name, code, check=0)
    assert done.stdout == "out\n'yes'\n" and done.stderr == "err\n"
    entry = json.loads(jupyter("ps", "--json", check=0).stdout)[0]
    assert entry["name"] == name and entry["status"] == "alive" and entry["source"] == "jupyter"
    assert entry["connection_file"] == path and entry["notebook"] is None
    assert name in jupyter("ps", check=0).stdout and "IOPUB" in jupyter("ps", "-v", check=0).stdout
    many = jupyter("exec", name, "for i in range(20000): print(i)", check=0)
    assert many.stdout.split() == [str(i) for i in range(20000)]
    failed = jupyter("exec", name, "1/0", check=1)
    assert "ZeroDivisionError" in failed.stderr and "\033" not in failed.stderr
    assert jupyter("interrupt", name, check=0).stdout == f"Interrupt sent to kernel {name}\n"
    assert jupyter("stop", name, check=0).stdout == f"Kernel with ID {name} stopped\n"
    assert json.loads(jupyter("ps", "--json", check=0).stdout) == []
    for command in ("stop", "interrupt"):
        jupyter(command, name, check=1)
    jupyter("start", "unknown-kernel", check=1)
    jupyter("stop", check=2)


def test_code_from_stdin_and_console(runt, jupyter):
    name, _ = started(jupyter("start", "mine", check=0))
    done = subprocess.run([str(BUILD / "runt"), "jupyter", "exec", name], env=runt.env, input="x = 5\nprint(x * 2)",
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "10\n"
    text = "a = input('who? ')\nada\na + '!'\n\n1/0\n"
    done = subprocess.run([str(BUILD / "runt"), "jupyter", "console", "mine"], env=runt.env, input=text,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("mine console\nUse Ctrl+D to exit.\n")
    assert "who? " in done.stdout and "Out[2]: 'ada!'" in done.stdout and "ZeroDivisionError" in done.stderr
    assert len(list(runt.files.glob("runt-kernel-*.json"))) == 1  # the console's own is gone


def test_clean_takes_its_own_dead_only(runt, jupyter):
    name, path = started(jupyter("start", "mine", check=0))
    jupyter("exec", name, "1", check=0)
    record = json.loads(open(path).read())
    record.pop("runt_pid", None)
    for key in [k for k in record if k.endswith("_port")]:
        record[key] = 1
    for dead in ("runt-kernel-dead-one.json", "kernel-7.json"):
        (runt.files / dead).write_text(json.dumps(record))
    assert "runt-kernel-dead-one" in jupyter("clean", "--dry-run", check=0).stdout
    jupyter("clean", "--timeout", "2", check=0)
    assert sorted(p.name for p in runt.files.iterdir()) == ["kernel-7.json", f"runt-kernel-{name}.json"]
    jupyter("clean", "--all", check=0)
    assert sorted(p.name for p in runt.files.iterdir()) == [f"runt-kernel-{name}.json"]
