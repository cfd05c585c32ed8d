"""The catalogue: what is installed, without importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sympozium_core.names import GROUP_BRIDGE_HOOKS, GROUP_HOOKS, GROUP_PROVIDERS, GROUP_SANDBOXES
from sympozium_core.registry.catalogue import installed, parse_entry_points
from sympozium_core.registry.record import Record


def test_tells_what_is_installed(packages: Any) -> None:
    packages.install(
        "Acme.Models",
        {GROUP_SANDBOXES: {"box": "acme:Box"}, GROUP_PROVIDERS: {"zeta": "acme:Zeta", "alpha": "acme.sub:Alpha [fast]"}},
        version="2.3",
        summary="Models of Acme",
    )
    packages.install(
        "acme-hooks", {GROUP_BRIDGE_HOOKS: {"gate": "acme_hooks"}, GROUP_HOOKS: {"gate": "acme_hooks"}, "other": {"a": "b"}}
    )
    found = installed(path=packages.path)
    assert [(each.kind, each.name, each.value, each.distribution, each.version) for each in found] == [
        ("provider", "alpha", "acme.sub:Alpha", "Acme.Models", "2.3"),
        ("provider", "zeta", "acme:Zeta", "Acme.Models", "2.3"),
        ("sandbox", "box", "acme:Box", "Acme.Models", "2.3"),
        ("hook", "gate", "acme_hooks", "acme-hooks", "1.0"),
        ("bridge hook", "gate", "acme_hooks", "acme-hooks", "1.0"),
    ]
    assert found[0].summary == "Models of Acme"
    assert not any(each.conflicts for each in found)
    assert [each.name for each in installed([GROUP_SANDBOXES], path=packages.path)] == ["box"]


def test_one_name_of_two_packages_is_a_conflict_with_both_named(packages: Any) -> None:
    packages.install("first", {GROUP_PROVIDERS: {"same": "first:P", "own": "first:P"}})
    packages.install("second", {GROUP_PROVIDERS: {"same": "second:P"}})
    packages.install("third", {GROUP_HOOKS: {"same": "third"}})
    conflicts = {(each.distribution, each.name): each.conflicts for each in installed(path=packages.path)}
    assert conflicts == {
        ("first", "same"): ("second",),
        ("second", "same"): ("first",),
        ("first", "own"): (),
        ("third", "same"): (),
    }


def test_a_shadowed_second_copy_is_no_conflict(packages: Any, tmp_path: Path) -> None:
    packages.install("my-package", {GROUP_PROVIDERS: {"one": "a:P"}}, version="2.0")
    further = tmp_path / "further"
    further.mkdir()
    type(packages)(further).install("My_Package", {GROUP_PROVIDERS: {"one": "a:P"}}, version="1.0")
    found = installed(path=[*packages.path, str(further)])
    assert [(each.version, each.conflicts) for each in found] == [("2.0", ())]


def test_broken_metadata_of_one_package_hides_no_other(packages: Any) -> None:
    packages.install("good", {GROUP_PROVIDERS: {"good": "good:P"}})
    packages.install("garbage", f"[{GROUP_PROVIDERS}]\nno equals sign\n= no name\n\x00\n[unclosed\n")
    packages.install("nameless", {GROUP_PROVIDERS: {"ghost": "a:b"}})
    (packages.directory / "nameless-1.0.dist-info" / "METADATA").unlink()
    (packages.directory / "binary-1.dist-info").mkdir()
    (packages.directory / "binary-1.dist-info" / "entry_points.txt").write_bytes(b"[sympozium.providers]\n\xff\xfe = x")
    assert [each.name for each in installed(path=packages.path)] == ["good"]


def test_entry_point_lines() -> None:
    text = "before = nothing\n[ group ]\n# a = b\n; a = b\n a.b = m.n:C.d [x, y] \nno line\n=empty\nname=\n[next]\nx=y"
    assert list(parse_entry_points(text)) == [("group", "a.b", "m.n:C.d"), ("next", "x", "y")]


def test_thirty_packages_are_listed_without_importing_any_or_the_plugin_libraries(packages: Any) -> None:
    for number in range(30):
        packages.install(
            f"package-{number}", {GROUP_PROVIDERS: {f"p{number}": f"package_{number}:P"}}, "raise SystemExit('imported')"
        )
    program = (
        "import json, sys\n"
        "from sympozium_core.registry.catalogue import installed\n"
        "found = installed()\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('stevedore', 'pluggy', 'pydantic', 'aiohttp', 'asyncio')"
        " or name.startswith('package_')]\n"
        "print(json.dumps([sum(each.distribution.startswith('package-') for each in found), loaded]))"
    )
    answer = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(answer.stdout) == [30, []]


def test_states_come_from_the_record(packages: Any, tmp_path: Path) -> None:
    packages.install("acme", {GROUP_PROVIDERS: {"old": "acme:P", "new": "acme:P", "never": "acme:P"}}, version="2.0")
    record = Record.in_directory(tmp_path)
    record.write(GROUP_PROVIDERS, "old", ok=True, version="1.0", distribution="acme")
    record.write(GROUP_PROVIDERS, "new", ok=False, reason="it burns", version="2.0", distribution="acme")
    found = {each.name: each for each in installed(path=packages.path, record=record)}
    assert found["never"].state is None
    assert not found["old"].state_is_current
    assert found["new"].state_is_current
    assert found["new"].state is not None
    assert (found["new"].state.ok, found["new"].state.reason) == (False, "it burns")
