#!/usr/bin/env python3
"""install_test.py BUILD SOURCE [CFLAG...]: the library as another project meets it.

Installs it into a scratch directory, holds what it exports against automerge.h and
docs/automerge.md, compiles every program of that page against it and compares what
each prints with what stands there. Last line: N passed, N failed."""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

BUILD, SOURCE, FLAGS = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
PAGE = (SOURCE / "docs/automerge.md").read_text()
HEADER = (SOURCE / "src/automerge/automerge.h").read_text()
CC = shlex.split(os.environ.get("CC") or "cc")
good = bad = 0


def check(what: str, problem: str) -> None:
    global good, bad
    good += not problem
    bad += bool(problem)
    if problem:
        print(f"FAIL {what}: {problem}")


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **options)


def difference(one: set, other: set) -> str:
    return " ".join(sorted(one ^ other))


def exported(library: pathlib.Path, *options: str) -> set:
    lines = run("nm", "--defined-only", *options, library).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if len(line.split()) == 3 and line.split()[1] != "A"}


def programs() -> list:
    """[(heading, source, what it prints)]"""
    found, heading = [], ""
    for part in re.finditer(r"^## ([^\n]*)$|^```c\n(.*?)^```\n```text\n(.*?)^```$", PAGE, re.M | re.S):
        if part[1]:
            heading = part[1]
        else:
            found.append((heading, part[2], part[3]))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        done = run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "devel", "--destdir", root / "dest")
        check("meson install", done.stderr if done.returncode else "")
        lib = next((root / "dest").rglob("libautomerge.so")).parent
        env = dict(os.environ, PKG_CONFIG_PATH=str(lib / "pkgconfig"), PKG_CONFIG_SYSROOT_DIR=str(root / "dest"),
                   PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1")
        shared = shlex.split(run("pkg-config", "--cflags", "--libs", "automerge", env=env).stdout)
        static = shlex.split(run("pkg-config", "--static", "--cflags", "--libs", "automerge", env=env).stdout)
        static = ["-l:libautomerge.a" if f == "-lautomerge" else f for f in static]
        env["LD_LIBRARY_PATH"] = str(lib)

        functions = set(re.findall(r"^AM_API [^;]*?\b(am_\w+)\(", HEADER, re.M))
        check("names in the shared library", difference(exported(lib / "libautomerge.so", "-D"), functions))
        check("names in the archive", difference(exported(lib / "libautomerge.a", "-g"), functions))
        listed = set(re.findall(r"`(am_\w+)`", PAGE[PAGE.index("## Which functions are where"):]))
        check("functions listed in docs/automerge.md", difference(listed, functions))

        warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wstrict-prototypes", "-Werror"]
        (root / "only.c").write_text("#include <automerge.h>\nint main(void) { return 0; }\n")
        for language in (["-std=c11"], ["-x", "c++"] if run(*CC, "-x", "c++", "-fsyntax-only", "/dev/null").returncode == 0 else None):
            if language:
                done = run(*CC, *language, *[w for w in warnings if language[0] != "-x" or w != "-Wstrict-prototypes"],
                           "-fsyntax-only", root / "only.c", *shared)
                check(f"the header as {language[-1]}", done.stderr)

        (root / "check.h").write_text(re.search(r"^```c check.h\n(.*?)^```$", PAGE, re.M | re.S)[1])
        for heading, source, wanted in programs():
            (root / "program.c").write_text(source)
            for name, link in (("shared", shared), ("static", static)):
                done = run(*CC, "-std=gnu11", "-g", *warnings, *FLAGS, "-o", root / "program", root / "program.c", *link)
                if done.returncode == 0:
                    done = run(root / "program", env=env)
                check(f"{heading} ({name})", "" if done.returncode == 0 and done.stdout == wanted else
                      f"exit {done.returncode}, wanted\n{wanted}got\n{done.stdout}{done.stderr}")
        check("programs in docs/automerge.md", "" if len(programs()) >= 10 else "fewer than there were")
    print(f"{good} passed, {bad} failed")


main()
sys.exit(1 if bad else 0)
