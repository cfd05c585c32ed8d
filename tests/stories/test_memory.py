"""An instance's memory: what one run stores the next one finds, nobody else does, and it goes with the instance."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.registry import scaffold
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE
from sympozium_core.testing.conversations import results
from sympozium_core.testing.embedded import OpenPlane, Plane, furnish, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import from_data

NOTE = "Deploys happen on Tuesdays."
TOOLS = {"memory_search", "memory_store", "memory_list"}


SCRIPT = from_data(
    {
        "conversations": [
            {
                "when": "^remember",
                "turns": [
                    {"tools": [{"name": "memory_store", "arguments": {"content": NOTE, "tags": ["deploys"]}}]},
                    {"text": "stored"},
                ],
            },
            {
                "when": "^when",
                "turns": [
                    {
                        "tools": [
                            {"name": "memory_search", "arguments": {"query": "when are deploys?"}},
                            {"name": "memory_list", "arguments": {}},
                        ]
                    },
                    {"text": "found"},
                ],
            },
        ]
    }
)


@pytest.fixture(autouse=True)
def script(model: OpenAIServer) -> None:
    model.script = SCRIPT


async def ended(plane: Plane, task: str, instance: str = "agent") -> None:
    run = await plane.ended(await plane.run(task, instance=instance))
    assert phase_of(run) == "Succeeded", status_of(run)


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_what_one_run_stores_the_next_one_finds(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={"enabled": True})
        await ended(plane, "remember when we deploy")
        await ended(plane, "when do we deploy?")
        assert results(model.requests[1]) == ["stored as note 1"]
        for answer in results(model.requests[3]):
            assert answer.endswith(f"#deploys\n{NOTE}")
        told = model.requests[0].body["messages"][0]["content"]
        assert "/skills/memory/memory.md" in told


async def test_it_outlives_the_server_and_ends_with_the_instance(
    open_plane: OpenPlane, model: OpenAIServer, data_dir: Path
) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={"enabled": True})
        await ended(plane, "remember when we deploy")
    async with open_plane() as plane:
        await ended(plane, "when do we deploy?")
        assert NOTE in results(model.requests[3])[0]
        (folder,) = (data_dir / "memory").iterdir()
        await plane.client.delete(SYMPOZIUM_INSTANCE, plane.namespace, "agent")
        async with asyncio.timeout(10):
            while folder.exists():  # noqa: ASYNC110 (a folder tells nobody when it goes)
                await asyncio.sleep(0.01)


async def test_an_instance_has_its_own_and_one_without_has_none(open_plane: OpenPlane, model: OpenAIServer) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={"enabled": True})
        agent = await plane.client.get(SYMPOZIUM_INSTANCE, plane.namespace, "agent")
        for name, memory in (("other", {"enabled": True}), ("forgetful", {"enabled": False})):
            spec = {**agent["spec"], "memory": memory}
            await plane.apply(
                {"apiVersion": agent["apiVersion"], "kind": agent["kind"], "metadata": {"name": name}, "spec": spec}
            )
        await ended(plane, "remember when we deploy")
        await ended(plane, "when do we deploy?", "other")
        assert results(model.requests[3]) == ["no note has any of these words", "there are no notes yet"]
        await ended(plane, "when do we deploy?", "forgetful")
        assert not TOOLS & {tool["function"]["name"] for tool in model.requests[4].body["tools"]}


async def test_a_policy_that_denies_all_of_it_starts_no_sidecar_for_it(open_plane: OpenPlane, model: OpenAIServer) -> None:
    rules = [{"tool": "memory_*", "action": "deny"}]
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "forget"},
        "spec": {"template": "Permissive", "toolGating": {"rules": rules}},
    }
    async with open_plane() as plane:
        await plane.apply(policy)
        await furnish(plane, model, policy="forget", memory={"enabled": True})
        run = await plane.ended(await plane.run("when do we deploy?"))
        assert phase_of(run) == "Succeeded"
        assert "memory" not in (await plane.journal(run, "started"))[0]["servers"]


@pytest.fixture
def files_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package that ``plugins new memory files`` writes, installed."""
    scaffold.write_package("memory", "files", tmp_path)
    source = (tmp_path / "sympozium-memory-files/src/sympozium_memory_files/notes.py").read_text("utf-8")
    site = tmp_path / "site"
    entries = {"sympozium.memories": {"files": "sympozium_memory_files.notes:FilesMemory"}}
    write_package(site, "sympozium-memory-files", {"sympozium_memory_files.notes": source}, entries)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")])))
    yield
    for name in [each for each in sys.modules if each.startswith("sympozium_memory_files")]:
        del sys.modules[name]


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
async def test_another_backend_keeps_the_notes_where_the_instance_names_it(
    files_backend: None, open_plane: OpenPlane, model: OpenAIServer, data_dir: Path
) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={"backend": "files"})
        await ended(plane, "remember when we deploy")
        await ended(plane, "when do we deploy?")
        assert results(model.requests[1]) == ["stored as note 1"]
        for answer in results(model.requests[3]):
            assert answer.endswith(f"#deploys\n{NOTE}")
        (folder,) = (data_dir / "memory").iterdir()
        assert NOTE in (folder / "backends/files/notes.json").read_text("utf-8")
        assert not list(folder.rglob("*.db")), "nothing of it is in SQLite"


async def test_notes_come_back_with_the_backend_that_has_them(
    files_backend: None, open_plane: OpenPlane, model: OpenAIServer
) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={})
        await ended(plane, "remember when we deploy")
        for backend, found in (("files", False), ("sqlite", True)):
            change = {"spec": {"memory": {"backend": backend}}}
            await plane.client.patch(SYMPOZIUM_INSTANCE, plane.namespace, "agent", change)
            await ended(plane, "when do we deploy?")
            answers = results(model.requests[-1])
            assert all((NOTE in answer) == found for answer in answers), answers
            assert all(("sqlite, whose notes are kept" in answer) != found for answer in answers), answers


async def test_a_backend_that_is_not_installed_ends_the_run_with_those_that_are(
    open_plane: OpenPlane, model: OpenAIServer
) -> None:
    async with open_plane() as plane:
        await furnish(plane, model, memory={"backend": "vectors"})
        run = await plane.ended(await plane.run("remember when we deploy"))
        assert phase_of(run) == "Failed"
        message = status_of(run)["message"]
        assert "spec.memory.backend: the memory of instance 'agent': no plugin named 'vectors' is installed" in message
        assert "installed: sqlite" in message
        assert model.requests == []
