"""``pytest --sympozium-conformance``, as somebody runs it in the folder of a package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium_core.registry.kinds import BY_GROUP
from sympozium_core.testing.found_suites import SUITES
from sympozium_core.testing.packages import write_package

ROOT = Path(__file__).parents[2]

GOOD = """
    from sympozium_core.hooks import hookimpl

    @hookimpl
    def sympozium_run_event(event):
        str(event)
"""
BAD = """
    from sympozium_core.hooks import hookimpl

    @hookimpl
    def sympozium_review_run(run, instance):
        return run["spec"]["nothing"]
"""


def run(folder: Path, site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


HARNESS = """
    from sympozium_core.contracts.harness import Harness

    class Boxed(Harness):
        def image(self):
            return "ghcr.io/acme/agent:1"
"""
OF_HARNESS = """
    import sys

    COMMAND = (sys.executable, "-c", "raise SystemExit(3)")
    KNOWN_GAPS = {"test_the_task_is_what_the_user_says": "it does nothing at all"}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "tests").mkdir(parents=True)
    (folder / "setup.cfg").write_text("[metadata]\nname = acme-hooks\n[tool:pytest]\n")
    (folder / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    return folder


def test_suites_and_own_tests_are_run(package: Path, tmp_path: Path) -> None:
    write_package(tmp_path / "site", "acme-hooks", {"acme_good": GOOD}, {"sympozium.hooks": {"good": "acme_good"}})
    done = run(package, tmp_path / "site", "--sympozium-conformance", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestHookGood::test_an_event_is_taken_and_not_answered[started] PASSED" in done.stdout
    assert "test_own.py::test_own PASSED" in done.stdout


def test_a_broken_plugin_fails_by_the_name_of_its_entry_point(package: Path, tmp_path: Path) -> None:
    entries = {"sympozium.hooks": {"good": "acme_good", "not-so-good": "acme_bad"}}
    write_package(tmp_path / "site", "acme-hooks", {"acme_good": GOOD, "acme_bad": BAD}, entries)
    done = run(package, tmp_path / "site", "--sympozium-conformance")
    assert done.returncode == 1
    assert "TestHookNotSoGood::test_a_review_is_a_list_of_causes[plain]" in done.stdout
    assert "FAILED setup.cfg::TestHookGood" not in done.stdout


def test_without_the_option_nothing_of_it_is_there(package: Path, tmp_path: Path) -> None:
    code = "import sys, pytest; pytest.main(['-q', '-p', 'no:cacheprovider']); print(*(n for n in sys.modules if n.startswith('sympozium_core.')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["sympozium_core.testing", "sympozium_core.testing.pytest_plugin"]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({}, "is not installed, or brings no plugin"),
        ({"sympozium.providers": {"good": "acme_good"}}, "brings no strict server of its wire"),
        ({"sympozium.channels": {"good": "acme_good"}}, "brings no strict server of its wire"),
        ({"sympozium.hooks": {"good": "acme_gone"}}, "No module named 'acme_gone'"),
    ],
)
def test_what_cannot_be_tested_says_why(package: Path, tmp_path: Path, entries: dict[str, dict[str, str]], says: str) -> None:
    write_package(tmp_path / "site", "acme-hooks", {"acme_good": GOOD}, entries)
    done = run(package, tmp_path / "site", "--sympozium-conformance")
    assert done.returncode == 4
    assert says in done.stderr


def test_every_kind_has_a_suite() -> None:
    assert SUITES.keys() == BY_GROUP.keys()


def test_a_client_of_mcp_is_tested_beside_the_skill_of_its_package(tmp_path: Path) -> None:
    done = run(
        ROOT / "skills" / "mcp", tmp_path, "--sympozium-conformance", "-v", "-k", "what_a_server_has or its_pack or entry_point"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestMCPClientSdk::test_what_a_server_has_is_found PASSED" in done.stdout
    assert "TestMCPClientSdk::test_the_entry_point_names_the_class PASSED" in done.stdout
    assert "TestSkillMcp::test_the_entry_point_names_the_class PASSED" in done.stdout


def test_it_is_run_in_a_packages_folder(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path, "--sympozium-conformance")
    assert "is no package's folder" in done.stderr


def test_a_harness_says_what_it_need_not_do_and_how_it_is_started_here(package: Path, tmp_path: Path) -> None:
    modules = {"acme_boxed.__init__": HARNESS, "acme_boxed.testing": OF_HARNESS}
    write_package(tmp_path / "site", "acme-hooks", modules, {"sympozium.harnesses": {"boxed": "acme_boxed:Boxed"}})
    wanted = "entry_point or image_stays or user_says or system_prompt_comes"
    done = run(package, tmp_path / "site", "--sympozium-conformance", "-v", "-k", wanted)
    assert "TestHarnessBoxed::test_the_entry_point_names_the_class PASSED" in done.stdout
    assert "TestHarnessBoxed::test_its_image_stays_the_same PASSED" in done.stdout
    assert "TestHarnessBoxed::test_the_task_is_what_the_user_says XFAIL" in done.stdout
    assert "TestHarnessBoxed::test_the_system_prompt_comes_first FAILED" in done.stdout
    assert "it ended with 3 and no result" in done.stdout
