"""Which server a command line means, and in which namespace."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.cli.target import Embedded, OnCluster, add_scope, place_of
from sympozium_core.contracts.cluster import BadRequest

DATA = Path("/data")


def place(*words: str) -> Embedded | OnCluster:
    parser = argparse.ArgumentParser()
    add_scope(parser)
    return place_of(parser.parse_args(words))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMPOZIUM_CONTEXT", raising=False)


@pytest.mark.parametrize(
    ("words", "context", "wanted"),
    [
        (["--context", "prod"], "", OnCluster(None, "prod", None)),
        (["--context", "prod", "-n", "team"], "", OnCluster(None, "prod", "team")),
        (["--kubeconfig", "file"], "", OnCluster(Path("file"), None, None)),
        (["--kubeconfig", "file", "--context", "prod"], "", OnCluster(Path("file"), "prod", None)),
        ([], "staging", OnCluster(None, "staging", None)),
        (["--kubeconfig", "file"], "staging", OnCluster(Path("file"), "staging", None)),
        (["--context", "prod"], "staging", OnCluster(None, "prod", None)),
    ],
)
def test_a_cluster(words: list[str], context: str, wanted: OnCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPOZIUM_CONTEXT", context)
    assert place(*words) == wanted


@pytest.mark.parametrize(
    ("words", "context", "namespace"),
    [([], "", "default"), (["-n", "team"], "", "team"), (["--data-dir", str(DATA)], "staging", "default")],
)
def test_this_machine(words: list[str], context: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory that is named goes before the environment's context. A kubeconfig that is merely there changes nothing."""
    monkeypatch.setenv("SYMPOZIUM_CONTEXT", context)
    monkeypatch.setenv("KUBECONFIG", "/some/kubeconfig")
    found = place(*words)
    assert isinstance(found, Embedded)
    assert found.namespace == namespace
    assert words[:1] != ["--data-dir"] or found.settings.data_dir == DATA


@pytest.mark.parametrize("option", ["--context", "--kubeconfig"])
def test_not_both(option: str) -> None:
    with pytest.raises(BadRequest, match="give one of them"):
        place("--data-dir", str(DATA), option, "x")


def test_no_kubeconfig(alone: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    refused = alone("get", "runs", "--kubeconfig", str(missing), code=1)
    assert refused.err.startswith(f"error: there is no kubeconfig at {missing}")
    assert not alone.data.exists(), "nothing of this machine is touched"


def test_an_unknown_context(alone: Any, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('{"contexts": [{"name": "production", "context": {}}], "clusters": [], "users": []}')
    refused = alone("get", "runs", "--kubeconfig", str(config), "--context", "prodution", code=1)
    assert "did you mean production?" in refused.err


def test_a_cluster_that_is_away(alone: Any, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        '{"contexts": [{"name": "a", "context": {"cluster": "a"}}], "users": [], "current-context": "a",'
        ' "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}]}'
    )
    refused = alone("get", "runs", "--kubeconfig", str(config), code=6)
    assert "cannot reach the API server at https://127.0.0.1:9" in refused.err
