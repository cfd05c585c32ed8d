"""Links, manifests and lists of the documentation are true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core import hooks
from sympozium_core.cli.failures import Exit
from sympozium_core.cli.main import COMMANDS
from sympozium_core.names import API_VERSION, Phase, Reason
from sympozium_core.resources import load
from sympozium_core.resources.crd import schema
from sympozium_core.resources.kinds import OURS
from tests.docs.conftest import PAGES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What `apply` reads with."""
FRAGMENT = re.compile(r"[a-z0-9-]+\.(?P<package>[a-z0-9-]+)\.(added|changed|fixed|removed|security)\.md")


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_found_from_the_index() -> None:
    start, seen = [ROOT / "docs/index.md", ROOT / "README.md"], set()
    while start:
        page = start.pop()
        if page in seen:
            continue
        seen.add(page)
        start += [(page.parent / name).resolve() for name in re.findall(r"\]\(([^)#\s:]+\.md)", prose(page))]
    assert (
        sorted(str(page.relative_to(ROOT)) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in seen) == []
    )


def test_manifests_are_accepted(yaml_block: Any) -> None:
    for document in yaml.load_all(yaml_block.text, Loader=LOADER):
        if isinstance(document, dict) and document.get("apiVersion") == API_VERSION:
            load.read(document)


def test_pages_that_come_from_the_code_are_fresh() -> None:
    check = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate"), "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, f"{check.stdout}{check.stderr}run: python docs/generate"


def words(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_a_heading(command: str) -> None:
    assert re.search(rf"^## sympozium {command}\b", words("cli.md"), re.MULTILINE)


@pytest.mark.parametrize("code", list(Exit), ids=lambda code: str(code.name))
def test_exit_codes_have_a_row_that_says_when(code: Exit) -> None:
    assert re.search(rf"^\| {int(code)} \| `{code.name}` \| \S.+ \|$", words("exit-codes.md"), re.MULTILINE)


@pytest.mark.parametrize("value", [*Phase, *Reason])
def test_phases_and_reasons_have_a_row_that_says_what(value: str) -> None:
    assert re.search(rf"^\| `{value}` \|.* \S.+ \|$", words("phases-and-reasons.md"), re.MULTILINE)


@pytest.mark.parametrize("hook", [name for name in vars(hooks) if name.startswith("sympozium_")])
def test_hooks_have_a_heading(hook: str) -> None:
    assert f"\n## {hook}\n" in words("hooks.md")
    assert hook in (ROOT / "docs/plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: str(kind.kind))
def test_kinds_have_a_heading_and_each_field_a_row(kind: Any) -> None:
    text = words("resources.md").partition(f"\n## {kind.kind}\n")[2].partition("\n## ")[0]
    missing = [name for name in schema(kind)["properties"]["spec"]["properties"] if f"| `spec.{name}` |" not in text]
    assert missing == []


def test_every_event_is_explained() -> None:
    """Reasons as they stand in the calls that record Events."""
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "sympozium_core/controllers").rglob("*.py"))
    recorded = set(re.findall(r"\.(?:normal|warning)\(\s*run,\s*\"(\w+)\"", sources))
    assert {"Planned", "Started", "Restarted", "NotProvided"} <= recorded
    assert sorted(reason for reason in recorded if f"`{reason}`" not in words("events.md")) == []


def test_news_fragments_are_named_as_their_readme_says() -> None:
    packages = {
        "core",
        *(
            setup.parent.name
            for folder in ("providers", "channels", "skills", "plugins")
            for setup in (ROOT / folder).glob("*/setup.cfg")
        ),
    }
    for file in (ROOT / "changes").iterdir():
        if file.name == "README.md":
            continue
        named = FRAGMENT.fullmatch(file.name)
        assert named, f"{file.name}: see changes/README.md"
        assert named["package"] in packages, file.name
        assert file.read_text(encoding="utf-8").strip(), file.name
