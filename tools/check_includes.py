#!/usr/bin/env python3
"""Checks that every folder of src/ includes headers only from the folders that
may stand above it. Prints each violation; exit 1 when there is one."""
import pathlib
import re
import sys

# Folder -> folders it may include from (besides itself).
LAYERS = ["base", "automerge", "host", "protocol", "store", "notebook", "kernel", "environment", "room", "web", "mcp",
          "daemon", "cli"]
ALLOWED = {
    "base": set(),
    "automerge": {"base"},
    "host": {"base"},
    "protocol": {"base"},
    "store": {"base", "automerge", "host"},
    "notebook": {"base", "automerge", "host", "store"},
    "kernel": {"base", "automerge", "host", "store", "notebook"},
    "environment": {"base", "automerge", "host", "store", "notebook", "kernel"},
    "web": {"base", "host", "store"},
    "mcp": {"base", "protocol"},
}
for top in ("room", "daemon", "cli"):
    ALLOWED[top] = set(LAYERS[:LAYERS.index(top)])


def main() -> int:
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    bad = 0
    for path in sorted(src.rglob("*.[ch]")):
        folder = path.relative_to(src).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+"([^/"]+)/', line)
            if m and m[1] in LAYERS and m[1] != folder and m[1] not in ALLOWED[folder]:
                print(f"{path.relative_to(src.parent)}:{number}: {folder}/ may not include {m[1]}/")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
