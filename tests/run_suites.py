#!/usr/bin/env python3
"""Builds the tree with sanitizers, runs every suite and counts what passed.

Called by ./test, which has installed what this needs. Ends with the line
`N passed, N failed`; exit status 1 when something failed or nothing ran.

Random tests draw from RUNTIMED_TEST_SEED. Without it every commit has a seed of its
own, so that a range is fresh with each change and anyone can repeat a run of it; a
long run draws by the clock."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUILD = SOURCE / "build-test"
FUZZ = SOURCE / "build-fuzz"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
TEST_ENV = CACHE / "runtimed-build" / "test-env"
UV = CACHE / "runt/tools/uv-venv/bin/uv"
LONG = bool(os.environ.get("RUNTIMED_TEST_LONG"))

# Python packages of the test programs themselves; the clients under test are
# installed by tests/interop, each version into a folder of its own.
PYTHON_PACKAGES = ["pytest", "pytest-xdist", "pyzmq", "nbformat", "cbor2"]

passed = failed = 0


def seed() -> int:
    given = os.environ.get("RUNTIMED_TEST_SEED")
    if given:
        return int(given)
    git = shutil.which("git")
    tree = subprocess.run([git, "-C", str(SOURCE), "rev-parse", "HEAD^{tree}"], capture_output=True, text=True).stdout if git else ""
    if LONG or not tree:
        return int(time.time())
    return int(tree[:8], 16)


def report(name: str, good: int, bad: int, started: float) -> None:
    global passed, failed
    passed += good
    failed += bad
    print(f"{'FAIL' if bad else 'ok  '} {name}: {good} passed, {bad} failed ({time.monotonic() - started:.0f} s)", flush=True)


def tail(text: str, lines: int = 60) -> str:
    return "\n".join(text.splitlines()[-lines:])


def build(directory: pathlib.Path, options: list, env: dict) -> bool:
    if not (directory / "build.ninja").exists():
        shutil.rmtree(directory, ignore_errors=True)
        done = subprocess.run(["meson", "setup", str(directory), str(SOURCE), *options], env=env, capture_output=True, text=True)
        if done.returncode:
            print(tail(done.stdout + done.stderr))
            return False
    done = subprocess.run(["ninja", "-C", str(directory)], env=env, capture_output=True, text=True)
    if done.returncode:
        print(tail(done.stdout))
    return done.returncode == 0


def sanitizer_env() -> dict:
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0:exitcode=99"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    env["AUTOMERGE_BIN"] = str(SOURCE / "build/automerge")
    env["SEED"] = env["RUNTIMED_TEST_SEED"]
    return env


def count_in(output: str) -> tuple:
    """How many cases one test program reports: cmocka's and our own closing lines."""
    m = re.findall(r"(\d+) passed, (\d+) failed", output)
    if m:
        return sum(int(a) for a, _ in m), sum(int(b) for _, b in m)
    good = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
    bad = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test", output))
    return good, bad


def run_meson(suite: str) -> None:
    started = time.monotonic()
    log = BUILD / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    subprocess.run(["meson", "test", "-C", str(BUILD), "--no-rebuild", "--suite", suite, "--num-processes", "2",
                    *(["--timeout-multiplier", "30"] if LONG else [])], env=sanitizer_env(), capture_output=True, text=True)
    good = bad = 0
    for line in log.read_text().splitlines() if log.exists() else []:
        entry = json.loads(line)
        output = (entry.get("stdout") or "") + (entry.get("stderr") or "")
        g, b = count_in(output)
        if entry["result"] == "OK":
            good += g or 1
        else:
            good += g
            bad += b or 1
            print(f"--- {entry['name']} ({entry['result']})\n{tail(output)}")
    if not good and not bad:
        print(f"suite {suite} ran nothing")
        bad = 1
    report(suite, good, bad, started)


def run_house() -> None:
    started = time.monotonic()
    good = bad = 0
    for check in sorted((SOURCE / "tools").glob("check_*.py")):
        done = subprocess.run([sys.executable, str(check)], capture_output=True, text=True)
        print(done.stdout, end="")
        good += done.returncode == 0
        bad += done.returncode != 0
    report("house", good, bad, started)


def run_checked() -> None:
    """Some of the oracle's documents with the fuzzers' build: tiny structures, invariants checked after every operation."""
    started = time.monotonic()
    env = dict(sanitizer_env(), AUTOMERGE_BIN=str(FUZZ / "automerge"), SEEDS="10000" if LONG else "40")
    done = subprocess.run(["node", str(SOURCE / "tests/oracle/run.mjs"), "docs"], env=env, capture_output=True, text=True)
    good, bad = count_in(done.stdout)
    if bad or done.returncode:
        print(tail(done.stdout + done.stderr))
    report("fuzz (oracle with checks)", good, bad or (0 if good and not done.returncode else 1), started)


def run_fuzz() -> None:
    started = time.monotonic()
    env = dict(os.environ, CC="clang")
    if not build(FUZZ, ["-Dfuzz=true", "-Dchecks=true", "-Dtiny=true", "-Dtests=false", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                        "--buildtype=debugoptimized"], env):
        report("fuzz (build)", 0, 1, started)
        return
    run_checked()
    started = time.monotonic()
    seconds = 3600 if LONG else 20
    targets = sorted(p for p in FUZZ.rglob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    good = bad = 0
    for pair in range(0, len(targets), 2):
        running = []
        for target in targets[pair:pair + 2]:
            corpus = SOURCE / "tests/fuzz/corpus" / target.name
            work = FUZZ / "work" / target.name
            work.mkdir(parents=True, exist_ok=True)
            args = [str(target), f"-seed={seed() % 2**32 or 1}", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                    "-entropic=0",  # its bookkeeping takes nine tenths of the time
                    "-print_final_stats=0", f"-artifact_prefix={work}/", str(work), *([str(corpus)] if corpus.is_dir() else [])]
            running.append((target, subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
        for target, process in running:
            output = process.communicate()[0]
            good += process.returncode == 0
            bad += process.returncode != 0
            if process.returncode:
                print(f"--- {target.name}\n{tail(output)}")
    report("fuzz", good, bad or (0 if targets else 1), started)


def need_test_env() -> pathlib.Path:
    python = TEST_ENV / "bin/python"
    ready, wanted = TEST_ENV / ".ready", " ".join(PYTHON_PACKAGES)
    if not ready.exists() or ready.read_text() != wanted:
        shutil.rmtree(TEST_ENV, ignore_errors=True)
        default = CACHE / "runt/default-env/bin/python"
        subprocess.run([str(UV), "venv", "-q", "--python", str(default.resolve()), str(TEST_ENV)], check=True)
        subprocess.run([str(UV), "pip", "install", "-q", "--python", str(python), *PYTHON_PACKAGES], check=True)
        ready.write_text(wanted)
    return python


def run_pytest(suite: str) -> None:
    folder = SOURCE / "tests" / suite
    if not list(folder.glob("test_*.py")):
        return
    started = time.monotonic()
    results = BUILD / f"{suite}.xml"
    results.unlink(missing_ok=True)
    env = sanitizer_env()
    env["RUNTIMED_BUILD"] = str(BUILD)
    done = subprocess.run([str(need_test_env()), "-m", "pytest", "-q", "-x" if os.environ.get("FAIL_FAST") else "-q",
                           "-n", "4", "-p", "no:cacheprovider", f"--junitxml={results}", str(folder)], env=env, capture_output=True, text=True)
    good = bad = 0
    if results.exists():
        for s in xml_suites(results):
            total, wrong = int(s.get("tests", 0)), int(s.get("failures", 0)) + int(s.get("errors", 0))
            good += total - wrong - int(s.get("skipped", 0))
            bad += wrong
    if bad or done.returncode not in (0, 1):
        print(tail(done.stdout + done.stderr, 150))
    report(suite, good, bad or (0 if good else 1), started)


def xml_suites(path: pathlib.Path) -> list:
    return list(xml.etree.ElementTree.parse(path).getroot().iter("testsuite"))


def main() -> int:
    wanted = sys.argv[1:]
    suites = {
        "house": run_house,
        "unit": lambda: run_meson("unit"),
        "oracle": lambda: run_meson("oracle"),
        "fuzz": run_fuzz,
        "kernel": lambda: run_pytest("kernel"),
        "scenario": lambda: run_pytest("scenario"),
        "interop": lambda: run_pytest("interop"),
    }
    unknown = [w for w in wanted if w not in suites]
    if unknown:
        print(f"no suite named {', '.join(unknown)}; there are {', '.join(suites)}")
        return 2
    started = time.monotonic()
    os.environ["RUNTIMED_TEST_SEED"] = str(seed())  # the clock must not be asked twice
    print(f"seed {seed()}", flush=True)
    if not build(BUILD, ["-Db_sanitize=address,undefined", "-Db_lundef=false", "--buildtype=debugoptimized"], dict(os.environ)):
        report("build", 0, 1, started)
    else:
        report("build", 1, 0, started)
        for name, run in suites.items():
            if not wanted or name in wanted:
                run()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
