"""Pages of contracts: what a driver implements, method by method; and of the suites that hold it to that, check by check."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import textwrap
from collections.abc import Iterator

import source_docs
from tables import code, page, prose, table

SUITES = (
    ("Tool servers", "sympozium_core.testing.tool_server", "ToolServerContract"),
    ("Skills", "sympozium_core.testing.skill", "SkillServerContract"),
    ("Providers", "sympozium_core.testing.provider", "ProviderContract"),
    ("Channels", "sympozium_core.testing.channel", "ChannelContract"),
    ("Sandboxes", "sympozium_core.testing.sandbox_local", "LocalSandboxContract"),
    ("Memory backends", "sympozium_core.testing.memory", "MemoryContract"),
    ("MCP clients", "sympozium_core.testing.mcp_client", "McpClientContract"),
    ("Harnesses", "sympozium_core.testing.harness", "HarnessContract"),
    ("Hooks", "sympozium_core.testing.hook", "HookContract"),
)


def contract_page(title: str, module: str, first: str, others: tuple[str, ...]) -> str:
    """`first` is the class that a plugin subclasses, `others` what its methods are given and give back."""
    home = importlib.import_module(module)
    owner = getattr(home, first)
    parts = [
        "How a package brings one: [plugins](../plugins.md). What it is held to: [conformance](conformance.md).",
        prose(inspect.getdoc(home)),
        f"## {first}",
        prose(inspect.getdoc(owner)),
        *_fields(owner),
    ]
    for name, given in vars(owner).items():
        function = given.fget if isinstance(given, property) else given
        if inspect.isfunction(function) and not name.startswith("_"):
            kind = ", a property" if isinstance(given, property) else ""
            needed = getattr(function, "__isabstractmethod__", False)
            parts += [
                f"### {name}",
                f"`{_signature(function)}`" + (" (to be implemented)" if needed else "") + kind,
                prose(function.__doc__),
            ]
    for name, meaning in source_docs.of_types(home).items():
        parts += [f"## {name}", prose(meaning)]
    for other in others:
        owner = getattr(home, other)
        own = inspect.getdoc(owner) or ""
        parts += [f"## {other}", "" if own.startswith(f"{other}(") else prose(own), *_fields(owner)]
    return page(title, module.replace(".", "/") + ".py", *parts)


def _fields(owner: type) -> Iterator[str]:
    meaning = source_docs.of_members(owner)
    own = (
        [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else list(owner.__annotations__)
    )
    types = {name: str(owner.__annotations__.get(name, "")) for name in own}
    if own:
        yield table(["Field", "Type", "Meaning"], [[code(name), code(types[name]), prose(meaning.get(name))] for name in own])


def _signature(function: object) -> str:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body  # type: ignore[arg-type]  # a function, as the caller has seen
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{word} {node.name}({ast.unparse(node.args)}){returns}"


def suites_page() -> str:
    parts = [
        "A plugin is right when it passes the suite of its kind: `pytest --sympozium-conformance` in the folder of its package runs the suites of all that it "
        "brings, with no test written. Each check below is known to fail for one that is broken in that way.",
    ]
    for title, module, name in SUITES:
        owner = getattr(importlib.import_module(module), name)
        checks = [(each.removeprefix("test_"), getattr(owner, each)) for each in _checks(owner)]
        rows = [[check.replace("_", " "), prose(function.__doc__)] for check, function in checks]
        parts += [
            f"## {title}",
            prose(inspect.getdoc(owner)),
            f"`{module}.{name}`, {len(checks)} checks:",
            table(["Check", "Why"], rows),
        ]
    return page("Conformance suites", "sympozium_core/testing", *parts)


def _checks(owner: type) -> list[str]:
    """In the order of the classes and of their methods; what a subclass says anew stands where it was."""
    found: dict[str, None] = {}
    for each in owner.__mro__:
        found.update(dict.fromkeys(name for name in vars(each) if name.startswith("test_")))
    return list(found)
