"""The file system of the data directory fills up under a run. Needs root, to mount a small one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.conversations import command, results, told, turns
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer


@pytest.fixture
def data_dir(data_dir: Path) -> Iterator[Path]:
    """In a file system of 48 MiB."""
    data_dir.parent.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(data_dir.parent)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    try:
        yield data_dir
    finally:
        subprocess.run(["umount", "-l", str(data_dir.parent)], check=True)


async def test_full_for_a_while(plane: Plane, model: OpenAIServer, data_dir: Path) -> None:
    model.script = turns(
        Answer("", (command("head -c 200000000 /dev/zero > big; echo status $?; rm -f big; echo small > small && cat small"),)),
        Answer("The disk was full."),
    )
    ended = await plane.ended(await plane.run("fill the disk"))
    assert phase_of(ended) == "Succeeded", status_of(ended)
    assert "status 1" in told(model)
    assert "No space left" in told(model)
    assert "small" in told(model)
    await leftovers.gone(ended, data_dir)


async def test_full_to_the_end(open_plane: OpenPlane, model: OpenAIServer, data_dir: Path) -> None:
    """Not even the journal can be written: the run ends typed all the same, its pod gives the space back, and the next run is well."""
    model.script = turns(
        Answer("", (command("head -c 200000000 /dev/zero > big; echo full"),)),
        Answer("", (command("echo more > more"),)),
        Answer("The disk was full."),
    )
    async with open_plane(deadline_grace=1.0) as plane:
        await furnish(plane, model)
        ended = await plane.ended(await plane.run("fill the disk", timeout="4s"), within=40)
        assert phase_of(ended) in ("Failed", "Succeeded"), status_of(ended)
        assert status_of(ended)["reason"]
        if phase_of(ended) == "Failed":
            assert status_of(ended)["message"]
        await leftovers.gone(ended, data_dir)
        model.script = turns(Answer("", (command("echo fine"),)), Answer("done"))
        again = await plane.ended(await plane.run("try again"))
        assert phase_of(again) == "Succeeded", status_of(again)
        assert "fine" in results(model.requests[-1])[-1]
