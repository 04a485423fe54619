"""Notebook files of the tests."""
import json
import pathlib


def cell(id: str, source: str = "", kind: str = "code", outputs=(), metadata=None, count=None) -> dict:
    c = {"cell_type": kind, "id": id, "metadata": metadata or {}, "source": source.splitlines(True)}
    if kind == "code":
        c |= {"execution_count": count, "outputs": list(outputs)}
    return c


def notebook(cells, **metadata) -> dict:
    base = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return {"cells": list(cells), "metadata": base | metadata, "nbformat": 4, "nbformat_minor": 5}


def write(path: pathlib.Path, cells, **metadata) -> bytes:
    """Writes in the form Jupyter writes; returns the bytes."""
    data = (json.dumps(notebook(cells, **metadata), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
    path.write_bytes(data)
    return data


def sources(n: int, prefix: str = "cell", start: int = 0) -> list:
    return [cell(f"{prefix}{i}", f"x{i} = {i}\n") for i in range(start, start + n)]


def parse(path) -> dict:
    return json.loads(pathlib.Path(path).read_bytes())


def text_of(value) -> str:
    return value if isinstance(value, str) else "".join(value)


def disk(path) -> dict:
    """id -> source of the cells in the file, in its order."""
    return {c["id"]: text_of(c["source"]) for c in parse(path)["cells"]}


def on_disk(path, **wanted) -> bool:
    """Whether the file is a notebook that has these cells."""
    try:
        have = disk(path)
    except (OSError, ValueError, KeyError):
        return False
    return all(have.get(k) == v for k, v in wanted.items())
