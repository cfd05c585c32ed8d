"""Where bubblewrap does not work, the reason says what would make it work."""

from __future__ import annotations

from pathlib import Path

import pytest
from sympozium_sandbox_bubblewrap import trial
from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox


async def test_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    availability = await BubblewrapSandbox().check()
    assert not availability.usable
    assert "apt install bubblewrap" in availability.reason


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "setting up uid map: Permission denied"),
        ("exit 3", "without a word"),
        ("echo 0", "failed its trial: 0"),
        ("echo 'bwrap: Creating new namespace failed: Operation not permitted' >&2; exit 1", "namespaces are refused"),
        ('echo "bwrap: Can\'t mount proc on /newroot/proc: Operation not permitted" >&2; exit 1', "unmasked /proc"),
    ],
)
async def test_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: str) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    availability = await BubblewrapSandbox().check()
    assert not availability.usable
    assert expected in availability.reason
    assert "\n" not in availability.reason


def test_a_setting_of_the_kernel_is_named(tmp_path: Path) -> None:
    setting = tmp_path / "restrict"
    settings = ((str(setting), "1", "AppArmor keeps users out", "sysctl -w x=0"),)
    setting.write_text("1\n")
    assert trial.explain("bwrap", "bwrap: no\n", settings) == "AppArmor keeps users out (bwrap: no); sysctl -w x=0"
    setting.write_text("0\n")
    assert trial.explain("bwrap", "bwrap: no\n", settings) == "bwrap failed its trial: bwrap: no"
