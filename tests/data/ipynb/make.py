"""Writes the notebook files of this directory. Needs nbformat (any 5.x).

The files are made by this project and under its licence. Those in ok/ are to
be reproduced byte for byte when nothing was edited."""
import json
import pathlib

from nbformat import v4
from nbformat.v4.nbjson import JSONWriter

HERE = pathlib.Path(__file__).parent
OK = HERE / "ok"
BAD = HERE / "bad"
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
       "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def notebook(minor):
    out = [
        v4.new_output("stream", name="stdout", text="one\ntwo\n"),
        v4.new_output("execute_result", execution_count=3,
                      data={"text/plain": "<b>\n</b>", "text/html": "<p>é\n</p>", "image/png": PNG + "\n",
                            "application/json": {"a": [1, "two\nlines", None]}},
                      metadata={"image/png": {"width": 1}}),
        v4.new_output("display_data", data={"image/svg+xml": "<svg>\n</svg>"}),
        v4.new_output("error", ename="E", evalue="v", traceback=["a\n", "b"]),
    ]
    cells = [
        v4.new_markdown_cell("# Title\n\n![x](attachment:x.png)",
                             attachments={"x.png": {"image/png": PNG}}),
        v4.new_code_cell("print('one')\nprint('two')", outputs=out, execution_count=3,
                         metadata={"tags": ["z", "a"], "collapsed": False}),
        v4.new_raw_cell("raw\n"),
        v4.new_code_cell(""),
        v4.new_markdown_cell("last ☃ line"),
    ]
    for i, c in enumerate(cells):
        c["id"] = f"cell-{i}"
    nb = v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python", "env": {"A": "1"}},
        "language_info": {"name": "python", "version": "3.11", "codemirror_mode": {"name": "ipython", "version": 3}},
        "custom": {"deep": [1, 2.50, {"x": None}]}})
    nb.nbformat_minor = minor
    for c in nb.cells:
        if minor < 5:
            del c["id"]
    return nb


def main():
    OK.mkdir(exist_ok=True)
    BAD.mkdir(exist_ok=True)
    for minor in (0, 1, 2, 4, 5):
        nb = notebook(minor)
        if minor < 1:
            del nb.cells[0]["attachments"]
        # Not nbformat.write: it gives ids to old cells.
        text = JSONWriter().writes(nb, split_lines=True)
        (OK / f"v4{minor}.ipynb").write_text(text + "\n")
    plain = json.loads((OK / "v45.ipynb").read_text())

    def put(name, text, **kw):
        (OK / name).write_bytes(text.encode(**kw) if isinstance(text, str) else text)

    put("indent2.ipynb", json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    put("indent4_no_newline.ipynb", json.dumps(plain, indent=4, ensure_ascii=False))
    put("tabs.ipynb", json.dumps(plain, indent="\t", ensure_ascii=False) + "\n")
    put("compact.ipynb", json.dumps(plain, separators=(",", ":"), ensure_ascii=False))
    put("one_line_ascii.ipynb", json.dumps(plain))
    put("crlf.ipynb", (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").replace("\n", "\r\n"))
    put("bom.ipynb", b"\xef\xbb\xbf" + (json.dumps(plain, indent=1) + "\n").encode())
    order = {"nbformat": 4, "nbformat_minor": 5, "metadata": plain["metadata"], "cells": [
        {k: c[k] for k in sorted(c, reverse=True)} for c in plain["cells"]], "extra": {"kept": True}}
    put("reverse_keys.ipynb", json.dumps(order, indent=1, ensure_ascii=False) + "\n")
    put("strings.ipynb", json.dumps({**plain, "cells": [
        {**c, "source": "".join(c["source"])} for c in plain["cells"]]}, indent=1, ensure_ascii=False) + "\n")
    put("empty.ipynb", '{\n "cells": [],\n "metadata": {},\n "nbformat": 4,\n "nbformat_minor": 5\n}\n')
    put("no_metadata.ipynb", '{\n "cells": [],\n "nbformat": 4,\n "nbformat_minor": 5\n}\n')
    put("weird.ipynb", r'''{
 "cells": [ 17,
  {
   "cell_type": "code",
   "execution_count": 1,
   "id": "dup",
   "metadata": {"big": 123456789012345678901234567890, "neg": -0, "exp": 1E5, "esc": "\/\u00e9",
                "lone": "\ud800", "dup": 1, "dup": 2},
   "outputs": [
    {"data": {"application/json": {"nan": NaN, "inf": -Infinity}, "text/plain": "x\ud83d\ude00"},
     "metadata": {}, "output_type": "display_data", "transient": {"display_id": "d"}},
    {"name": "stdout", "output_type": "stream", "text": "as one string\n"}
   ],
   "source": ["a\n", "b\udc00", 5],
   "vendor": {"k": [1.0, 1.10]}
  },   {"cell_type": "markdown", "id": "dup", "metadata": {}, "source": []}
  , "stray",
  {
   "cell_type": "plugin-cell",
   "metadata": {},
   "source": "x"
  }, null
 ],
 "metadata": {
  "kernelspec": {"name": "python3", "display_name": "Py", "n": 1.0},
  "uv": {"dependencies": ["old"]}
 },
 "nbformat": 4,
 "nbformat_minor": 5
}''')
    deep = "[" * 600 + "]" * 600
    put("deep.ipynb", '{"cells":[{"cell_type":"raw","id":"d","metadata":{"x":%s},"source":""}],'
        '"metadata":{},"nbformat":4,"nbformat_minor":5}' % deep)
    put("runt_no_version.ipynb", '{\n "cells": [],\n "metadata": {\n  "runt": {\n   "uv": {\n    "dependencies": [\n'
        '     "pandas"\n    ]\n   }\n  }\n },\n "nbformat": 4,\n "nbformat_minor": 5\n}\n')
    bad = {
        "empty_file": "", "not_json": "{", "array": "[]", "no_cells": '{"nbformat":4}',
        "v3": '{"nbformat":3,"nbformat_minor":0,"metadata":{},"worksheets":[{"cells":[]}]}',
        "v5": '{"nbformat":5,"cells":[]}', "cells_object": '{"nbformat":4,"cells":{}}',
        "text": "print(1)\n",
    }
    for name, text in bad.items():
        (BAD / f"{name}.ipynb").write_text(text)
    (BAD / "latin1.ipynb").write_bytes(b'{"cells":[],"metadata":{"x":"\xe9"},"nbformat":4}')


if __name__ == "__main__":
    main()
