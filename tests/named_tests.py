"""Tables that name tests, so that a promise and its proof stay together."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent


def missing(names: Iterable[str]) -> list[str]:
    """Of "folder/module: test" (both without `test_`) those that nobody has written, or that were renamed."""
    lacking = []
    for name in sorted(set(names)):
        module, _, function = name.partition(": ")
        folder, _, stem = module.rpartition("/")
        tree = ast.parse((HERE / folder / f"test_{stem}.py").read_text(encoding="utf-8"))
        if f"test_{function}" not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            lacking.append(name)
    return lacking
