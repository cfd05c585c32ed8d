"""Docstrings that stand below a name, which Python does not keep: read from the source."""

from __future__ import annotations

import ast
import inspect
import textwrap


def of_members(owner: type) -> dict[str, str]:
    """By name: the string below each assignment in a class body."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if isinstance(target, ast.Name) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found[target.id] = str(following.value.value)
    return found
