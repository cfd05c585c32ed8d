"""What an installation goes on with when it is installed or upgraded again."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from sympozium_core.cli.install_options import add_options, chosen
from sympozium_core.errors import Permanent
from sympozium_core.installation.options import Options, released_images
from sympozium_core.installer import installed
from sympozium_core.installer.installed import Installed


def _arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def _before(options: Options, version: str = "") -> Installed:
    return Installed(version or options.version, options, (), by_helm=False)


@pytest.fixture(autouse=True)
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "own_version", lambda: "2.0.0")


OLD = Options("1.0.0", released_images("1.0.0", "example.com/x"), webhook_replicas=5, nats_sync_always=True)
OWN = replace(OLD, images=replace(OLD.images, runner="example.com/mine:3"))


def test_what_was_chosen_is_kept_and_what_is_said_wins() -> None:
    options = chosen(_arguments("--max-run-history", "9"), _before(OLD))
    assert options == replace(OLD, version="2.0.0", max_run_history=9, images=released_images("2.0.0", "example.com/x"))
    assert not chosen(_arguments("--no-sync-always"), _before(OLD)).nats_sync_always


def test_images_of_the_same_version_stay_as_they_are() -> None:
    same = replace(OWN, version="2.0.0")
    assert chosen(_arguments(), _before(same)).images == same.images


def test_images_of_ones_own_are_not_guessed_for_another_version() -> None:
    with pytest.raises(Permanent, match="images of your own") as refused:
        chosen(_arguments(), _before(OWN))
    assert "--image-runner" in refused.value.hint
    named = _arguments(*(f"--image-{name}=example.com/{name}:4" for name in ("control-plane", "runner", "skill", "nats")))
    assert chosen(named, _before(OWN)).images.runner == "example.com/runner:4"
    assert chosen(_arguments("--registry", "example.com/y"), _before(OWN)).images == released_images("2.0.0", "example.com/y")


def test_options_that_cannot_be_read_are_the_usual_ones() -> None:
    assert chosen(_arguments(), Installed("9", None, (), by_helm=False)) == Options("2.0.0", released_images("2.0.0"))
