"""The Secret of a sidecar: where it says, or where the runtime has put it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sympozium_core.sidecar.secret import read_secret, secret_file


def test_the_first_key_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "GITHUB_TOKEN").write_text("s3cret\n")
    assert read_secret(str(tmp_path), "GH_TOKEN", "GITHUB_TOKEN") == "s3cret"


def test_where_nothing_is_mounted_the_runtime_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret")
    monkeypatch.setenv("SYMPOZIUM_SECRET", str(tmp_path))
    assert read_secret("/secrets/nowhere", "token") == "s3cret"


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="none of the keys a, b"):
        read_secret(str(tmp_path), "a", "b")


def test_the_file_of_a_key_is_for_programs_that_read_it_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPOZIUM_SECRET", str(tmp_path))
    assert secret_file("/secrets/none", "ca.crt") == ""
    (tmp_path / "ca.crt").write_text("certificate")
    assert secret_file("/secrets/none", "ca.crt") == str(tmp_path / "ca.crt")
