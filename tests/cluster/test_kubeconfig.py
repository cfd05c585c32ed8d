"""Which files are read and what of them is chosen, by the rules of kubectl."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from sympozium_core.cluster.kubeconfig import choose
from sympozium_core.errors import Permanent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def write(path: Path, name: str, *, current: bool = True, **user: Any) -> Path:
    config: dict[str, Any] = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": name, "user": user}],
    }
    if current:
        config["current-context"] = name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_usual_place(home: Path) -> None:
    write(home / ".kube/config", "one")
    chosen = choose(None, None)
    assert (chosen.context.name, chosen.context.text("namespace")) == ("one", "ns-one")
    assert chosen.cluster.text("server") == "https://one:6443"


def test_several_files_are_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [home / "missing", write(home / "a", "one", current=False), write(home / "b", "two"), write(home / "c", "three")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    assert choose(None, None).context.name == "two", "the first file that names a current context decides"
    assert choose(None, "three").cluster.text("server") == "https://three:6443"
    assert choose(None, "one").user.name == "one"


def test_a_file_that_is_named_is_the_only_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(home / "a", "one")))
    assert choose(write(home / "b", "two"), None).context.name == "two"
    with pytest.raises(Permanent, match="no context 'one'"):
        choose(home / "b", "one")


def test_paths_are_relative_to_their_own_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes the cluster's file for the user's."""
    first = write(home / "a/config", "one")
    config = yaml.safe_load(first.read_text())
    config["users"] = []
    first.write_text(yaml.safe_dump(config))
    write(home / "b/config", "one", current=False, **{"client-certificate": "me.crt"})
    (home / "b/me.crt").write_text("here")
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{home / 'b/config'}")
    assert choose(None, None).user.pem("client-certificate") == "here"


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ("prodution", "did you mean production"),
        ("xyz", "there are: production, staging"),
    ],
)
def test_an_unknown_context(home: Path, context: str, message: str) -> None:
    config: dict[str, Any] = {
        "contexts": [{"name": name, "context": {}} for name in ("production", "staging")],
        "clusters": [],
        "users": [],
    }
    (home / "config").write_text(yaml.safe_dump(config))
    with pytest.raises(Permanent, match=message):
        choose(home / "config", context)
    with pytest.raises(Permanent, match="has no current-context"):
        choose(home / "config", None)


def test_there_is_none(home: Path) -> None:
    with pytest.raises(Permanent, match=r"\.kube/config.*set KUBECONFIG"):
        choose(None, None)
    with pytest.raises(Permanent, match="nowhere"):
        choose(home / "nowhere", None)


@pytest.mark.parametrize("missing", ["clusters", "users"])
def test_a_context_of_what_is_not_there(home: Path, missing: str) -> None:
    path = write(home / "config", "one")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), missing: None}))
    with pytest.raises(Permanent, match=f"{missing[:-1]} 'one', which is not in"):
        choose(path, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just text",
        "token: [s3cret",
        "contexts: s3cret",
        "contexts: [s3cret]",
        "contexts: [{name: a, context: s3cret}]\ncurrent-context: a",
        "{contexts: [{context: {}}], s3cret: 1}",
        "\x00s3cret",
    ],
)
def test_what_is_no_kubeconfig(home: Path, text: str) -> None:
    (home / "config").write_text(text)
    with pytest.raises(Permanent) as refused:
        choose(home / "config", None)
    assert str(home / "config") in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_may_not_be_read(home: Path) -> None:
    (home / "config").mkdir()
    with pytest.raises(Permanent, match="cannot read the kubeconfig"):
        choose(home / "config", None)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"client-certificate-data": "???"}, "client-certificate-data of 'one' in the kubeconfig is no base64"),
        ({"client-certificate": "missing.crt"}, "cannot read client-certificate of 'one'"),
        ({"client-certificate": ["a"]}, "no text in client-certificate of 'one'"),
    ],
)
def test_what_cannot_be_read_is_named(home: Path, user: dict[str, Any], message: str) -> None:
    with pytest.raises(Permanent, match=message):
        choose(write(home / "config", "one", **user), None).user.pem("client-certificate")
