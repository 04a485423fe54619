#!/usr/bin/env python3
"""The automerge tool from outside: tool_test.py TOOL SOURCE_DIR."""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
DATA = SOURCE / "tests/data/automerge"

# One change by actor aabbccdd: {a: 1}, and its hash (automerge format, worked example).
CHANGE = bytes.fromhex("856f4a83069f0f5201230004aabbccdd010100000006150334014202560257017002"
                       "7f0161017f017f14017f00")
HASH = "069f0f5284b8a309b1ca839afc5ce8f6e7ace51212a1d3efc35848dbc010244d"


def run(*args, stdin=b""):
    done = subprocess.run([TOOL, *map(str, args)], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.folder.name)
        self.one = self.dir / "one"
        self.one.write_bytes(CHANGE)

    def tearDown(self):
        self.folder.cleanup()

    def good(self, *args, stdin=b""):
        status, out, err = run(*args, stdin=stdin)
        self.assertEqual((status, err), (0, ""))
        return out

    def trace(self, name, trace, compress=False):
        text = json.dumps(trace).encode()
        path = self.dir / name
        path.write_bytes(gzip.compress(text) if compress else text)
        return path

    def test_help_and_version(self):
        for args in (["--help"], ["help"], ["heads", "--help"]):
            self.assertIn(b"heads", self.good(*args))
        self.assertNotIn(b"oracle", self.good("--help"))
        self.assertRegex(self.good("--version"), rb"^automerge \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        for args in ([], ["nothing"], ["heads"], ["heads", "a", "b"], ["save", "a"], ["save", "a", "-o"],
                     ["merge", "a", "-o", "b"], ["heads", "a", "--plain"], ["json", "a", "--nothing"], ["sync", "a"]):
            status, out, err = run(*args)
            self.assertEqual((status, out), (2, b""), args)
            self.assertTrue(err.startswith("automerge: "), args)

    def test_bad_files(self):
        bad = self.dir / "bad"
        bad.write_bytes(CHANGE[:-1] + b"\x01")
        for command in (["heads"], ["json"], ["changes"], ["verify"], ["save", "-o", self.dir / "out"]):
            for path in (bad, self.dir / "absent", DATA / "missing_actor.automerge"):
                status, out, err = run(command[0], path, *command[1:])
                self.assertEqual((status, out), (1, b""))
                self.assertRegex(err, rf"^automerge: {path}: [^\n]+\n$")
        self.assertFalse((self.dir / "out").exists())

    def test_salvage(self):
        source, out = DATA / "brave-ape-49.automerge", self.dir / "out"
        good = source.read_bytes()
        for args in (["verify", source, "--salvage"], ["verify", source, "-o", out]):
            self.assertEqual(run(*args)[0], 2)
        self.assertIn(b"lost: 0 bytes, 0 known changes\nsaved: 184 changes, 0 waiting for 0 missing\n",
                      self.good("verify", source, "--salvage", "-o", out))
        self.assertEqual(self.good("heads", out), self.good("heads", source))
        # A change whose dependency is lost waits for it in the new file.
        bad = self.dir / "bad"
        second = self.dir / "second"
        base = self.dir / "base"
        base.write_bytes(good[:200] + bytes(9) + good[209:])
        bad.write_bytes(base.read_bytes() + b"junk" + CHANGE)
        status, text, err = run("verify", bad, "--salvage", "-o", second)
        self.assertEqual((status, err), (3, ""))
        lines = text.decode().splitlines()
        self.assertIn(f"damaged: document of {len(good)} bytes at 0: checksum does not match", lines)
        self.assertIn(f"lost: 4 bytes at {len(good)}: not an Automerge chunk", lines)
        self.assertEqual(lines[-2:], ["saved: 1 changes, 0 waiting for 0 missing", f"heads: {HASH}"])
        self.assertEqual(self.good("heads", second).decode(), HASH + "\n")
        # To standard output; nothing sound: no file.
        status, data, err = run("verify", bad, "--salvage", "-o", "-")
        self.assertEqual((status, data[:4]), (3, CHANGE[:4]))
        self.assertIn("saved: 1 changes", err)
        status, text, err = run("verify", base, "--salvage", "-o", self.dir / "none")
        self.assertEqual((status, err), (1, f"automerge: {base}: nothing in it is sound\n"))
        self.assertFalse((self.dir / "none").exists())

    def test_show(self):
        self.assertEqual(self.good("heads", self.one).decode(), HASH + "\n")
        self.assertEqual(self.good("json", self.one), b'{"a":1}\n')
        self.assertEqual(self.good("json", "-", stdin=CHANGE), b'{"a":1}\n')
        self.assertEqual(self.good("json", "-"), b"{}\n")
        change = json.loads(self.good("changes", self.one))
        self.assertEqual(change, {"hash": HASH, "actor": "aabbccdd", "seq": 1, "startOp": 1, "time": 0,
                                  "message": None, "deps": []})
        ops = json.loads(self.good("changes", self.one, "--ops"))["ops"]
        self.assertEqual(ops, [{"id": "1@aabbccdd", "action": "set", "obj": "_root", "key": "a", "value": 1,
                                "datatype": "int", "pred": []}])
        self.assertEqual(self.good("verify", self.one).decode(), f"changes: 1\nops: 1\nheads: {HASH}\n")

    def test_exemplar(self):
        value = json.loads(self.good("json", DATA / "exemplar"))
        self.assertEqual(value["uint"], 18446744073709551615)
        self.assertEqual(value["counter"], 5)
        self.assertEqual(value["bytes"], [0x85, 0x6F, 0x4A, 0x83])
        self.assertEqual(list(value), sorted(value))
        self.assertEqual(len(self.good("changes", DATA / "brave-ape-49.automerge").splitlines()), 184)

    def test_save(self):
        out = self.dir / "out"
        source = DATA / "brave-ape-49.automerge"
        self.good("save", source, "-o", out)
        plain = self.good("save", source, "-o", "-", "--plain")
        self.assertLess(out.stat().st_size, len(plain))
        self.assertEqual(self.good("heads", out), self.good("heads", source))
        self.assertEqual(self.good("save", out, "-o", "-", "--plain"), plain)
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.startswith("out")], ["out"])

    def test_apply_merge_sync(self):
        two = self.trace("t.json", {"startContent": "", "endContent": "hi", "txns": [{"patches": [[0, 0, "hi"]]}]})
        other = self.dir / "other"
        self.good("trace", two, "-o", other)
        empty = self.dir / "empty"
        empty.write_bytes(b"")
        applied = self.good("apply", empty, self.one, "-o", "-")
        self.assertEqual(self.good("json", "-", stdin=applied), b'{"a":1}\n')
        merged = self.dir / "merged"
        self.good("merge", self.one, other, "-o", merged)
        self.assertEqual(self.good("json", merged), b'{"a":1,"text":"hi"}\n')
        self.assertEqual(len(self.good("heads", merged).splitlines()), 2)
        said = dict(line.split(": ") for line in self.good("sync", self.one, other).decode().splitlines())
        self.assertEqual(said["changes"], "2")
        self.assertGreater(int(said["bytes"]), 0)
        self.assertEqual(self.good("sync", merged, merged).decode().splitlines()[-1], "changes: 0")

    def test_apply_waits_for_dependencies(self):
        path = DATA / "two_change_chunks.automerge"
        data = path.read_bytes()
        second = data.index(b"\x85oJ\x83", 4)
        late = self.dir / "late"
        late.write_bytes(data[second:])
        status, out, err = run("apply", self.one, late, "-o", "-")
        self.assertEqual(status, 0)
        self.assertIn("1 change kept, waiting for dependencies", err)
        first = self.dir / "first"
        first.write_bytes(data[:second])
        held = self.dir / "held"
        held.write_bytes(out)
        done = self.good("apply", held, first, "-o", "-")
        self.assertEqual(json.loads(self.good("json", "-", stdin=done)), {"a": {"a": "b"}})

    def test_anonymize(self):
        source, out = DATA / "brave-ape-49.automerge", self.dir / "out"
        self.good("anonymize", source, "-o", out)
        self.good("verify", out)
        keep = ("seq", "startOp")
        was, now = ([{k: json.loads(line)[k] for k in keep} for line in self.good("changes", f).splitlines()]
                    for f in (source, out))
        self.assertEqual(was, now)
        self.assertNotEqual(self.good("json", source), self.good("json", out))
        self.assertNotEqual(self.good("anonymize", source, "-o", "-"), self.good("anonymize", source, "-o", "-"))
        self.assertEqual(self.good("anonymize", "-", "-o", "-"), self.good("save", "-", "-o", "-"))  # nothing
        self.assertEqual(run("anonymize", source)[0], 2)
        self.assertEqual(run("anonymize", self.dir / "absent", "-o", self.dir / "no")[0], 1)
        self.assertFalse((self.dir / "no").exists())

    def test_traces(self):
        txns = [{"patches": [[0, 0, "a\U0001F600c"], [1, 1, "b"]]}, {"patches": [[3, 0, "d"], [0, 1, ""]]}]
        trace = {"startContent": "", "endContent": "bcd", "txns": txns}
        out = self.dir / "out"
        said = self.good("trace", self.trace("t.json.gz", trace, compress=True), "-o", out).decode()
        self.assertRegex(said, r"^edits: 4\nseconds: \d+\.\d+\nlength: 3\n$")
        self.assertEqual(self.good("json", out), b'{"text":"bcd"}\n')
        self.assertEqual(len(self.good("changes", out).splitlines()), 1)
        self.good("trace", self.trace("t.json", trace), "-o", out, "--per-edit")
        self.assertEqual(len(self.good("changes", out).splitlines()), 5)
        status, _, err = run("trace", self.trace("t.json", trace | {"endContent": "x"}), "-o", self.dir / "no")
        self.assertEqual(status, 1)
        self.assertIn("differs from endContent", err)
        self.assertFalse((self.dir / "no").exists())
        status, _, err = run("trace", self.one, "-o", out)
        self.assertEqual((status, err), (1, f"automerge: {self.one}: not JSON\n"))

    def test_concurrent_traces(self):
        txns = [
            {"parents": [], "agent": 0, "patches": [[0, 0, "one two"]]},
            {"parents": [0], "agent": 0, "patches": [[0, 3, "1"]]},
            {"parents": [0], "agent": 1, "patches": [[7, 0, "!"]]},
            {"parents": [1, 2], "agent": 1, "patches": [[2, 0, "and "]]},
            {"parents": [1], "agent": 0, "patches": [[0, 1, ""], [0, 0, "0"]]},
        ]
        trace = {"kind": "concurrent", "endContent": "0 and two!", "numAgents": 2, "txns": txns}
        out = self.dir / "out"
        for more in ([], ["--per-edit"]):
            self.good("trace", self.trace("t.json", trace), "-o", out, *more)
            self.assertEqual(self.good("json", out), b'{"text":"0 and two!"}\n')
            self.assertEqual(len(self.good("heads", out).splitlines()), 2)
        # Agent 0 goes back to a state older than its own latest.
        back = txns + [{"parents": [0], "agent": 0, "patches": [[7, 0, "?"]]}]
        end = {"0 and two!?", "0 and two?!"}
        text = {json.loads(self.trace_text(trace | {"txns": back, "endContent": e})) for e in end}
        self.assertEqual(len(text - {None}), 1)

    def trace_text(self, trace):
        out = self.dir / "back"
        status, _, _ = run("trace", self.trace("b.json", trace), "-o", out)
        return json.dumps(json.loads(self.good("json", out))["text"] if status == 0 else None)


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
