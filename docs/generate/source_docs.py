"""Docstrings that stand below a name, which Python does not keep: read from the source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType


def of_members(owner: type) -> dict[str, str]:
    """By name: the string below each assignment in a class body."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(tree, ast.ClassDef)
    return _below_names(tree.body)


def of_types(module: ModuleType) -> dict[str, str]:
    """The same of a module's own names for types."""
    found = _below_names(ast.parse(inspect.getsource(module)).body)
    return {name: text for name, text in found.items() if name[0].isupper() and not name.isupper()}


def _below_names(body: Sequence[ast.stmt]) -> dict[str, str]:
    found = {}
    for statement, following in pairwise(body):
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if isinstance(target, ast.Name) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[target.id] = str(following.value.value)
    return found
