"""What is installed appears as SkillPacks, follows its package, and goes with it; what people applied is theirs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.cluster import NotFound, User
from sympozium_core.contracts.skill import Skill
from sympozium_core.controllers.skill_packages import SkillPackages
from sympozium_core.embedded.store import Store
from sympozium_core.names import ANNOTATION_PACKAGE, GROUP_SKILLS, SYSTEM_NAMESPACE
from sympozium_core.reconcile.informers import Informers
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.drivers import Drivers
from sympozium_core.resources import kinds
from sympozium_core.resources.kinds import SKILL_PACK
from sympozium_core.testing.packages import write_package

PACK = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: NAME}
spec:
  category: CATEGORY
  skills: [{name: greet, content: "# Greet"}]
"""
CODE = "from sympozium_core.contracts.skill import Skill\nclass S(Skill):\n    pass\n"
Install = Callable[..., None]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Any]:
    store = await Store.open(tmp_path / "store.db", kinds=kinds.ALL)
    yield store.as_user(User("test", ("system:masters",)))
    await store.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    found = tmp_path / "site"
    found.mkdir()
    monkeypatch.syspath_prepend(str(found))
    yield found
    for module in [name for name in sys.modules if name.startswith("skill_")]:
        del sys.modules[module]


@pytest.fixture
def install(folder: Path) -> Install:
    def made(name: str, *, category: str = "test", pack: str = PACK, code: str = CODE) -> None:
        module = f"skill_{name}"
        write_package(folder, f"skill-{name}", {f"{module}.__init__": code}, {GROUP_SKILLS: {name: f"{module}:S"}})
        (folder / module / "skillpack.yaml").write_text(pack.replace("NAME", name).replace("CATEGORY", category))

    return made


def packages(cluster: Any, folder: Path) -> SkillPackages:
    """As a process sees them that starts now."""
    drivers: Drivers[Skill] = Drivers(GROUP_SKILLS, Skill, path=[str(folder)])
    return SkillPackages(cluster, drivers, found=lambda: installed([GROUP_SKILLS], path=[str(folder)]))


async def names_of(cluster: Any) -> list[str]:
    return [pack["metadata"]["name"] for pack in (await cluster.list(SKILL_PACK, SYSTEM_NAMESPACE)).items]


async def test_an_installed_package_is_a_skill_pack_and_goes_with_it(cluster: Any, folder: Path, install: Install) -> None:
    install("hello")
    await packages(cluster, folder).publish()
    pack = await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello")
    assert pack["spec"]["skills"][0]["name"] == "greet"
    assert pack["status"]["skillCount"] == 1
    assert pack["metadata"]["annotations"][ANNOTATION_PACKAGE].startswith("skill-hello 1.0 ")
    assert pack["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "sympozium"
    for file in folder.glob("skill_hello-*/*"):
        file.unlink()
    await packages(cluster, folder).publish()
    assert await names_of(cluster) == []


async def test_a_start_with_nothing_new_imports_and_writes_nothing(cluster: Any, folder: Path, install: Install) -> None:
    install("hello")
    await packages(cluster, folder).publish()
    before = await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello")
    del sys.modules["skill_hello"]
    await packages(cluster, folder).publish()
    assert "skill_hello" not in sys.modules
    assert await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello") == before


async def test_what_changes_in_a_package_under_development_is_seen(cluster: Any, folder: Path, install: Install) -> None:
    install("hello")
    await packages(cluster, folder).publish()
    install("hello", category="something else")
    await packages(cluster, folder).publish()
    assert (await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello"))["spec"]["category"] == "something else"


async def test_what_somebody_applied_is_left_alone(cluster: Any, folder: Path, install: Install) -> None:
    own = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "spec": {"skills": []}}
    for name in ("hello", "other"):
        await cluster.create(SKILL_PACK, {**own, "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE}})
    install("hello")
    await packages(cluster, folder).publish()
    assert (await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello"))["spec"]["skills"] == []
    assert await names_of(cluster) == ["hello", "other"]


@pytest.mark.parametrize(
    ("pack", "code"), [(PACK.replace("NAME", "another"), CODE), ("spec: [", CODE), (PACK, "raise RuntimeError('broken')")]
)
async def test_a_broken_package_harms_no_other(
    cluster: Any, folder: Path, install: Install, caplog: pytest.LogCaptureFixture, pack: str, code: str
) -> None:
    install("broken", pack=pack, code=code)
    install("hello")
    await packages(cluster, folder).publish()
    assert await names_of(cluster) == ["hello"]
    assert "skill broken of package skill-broken 1.0" in caplog.text


async def test_who_deletes_one_finds_it_there_again(cluster: Any, folder: Path, install: Install) -> None:
    install("hello")
    informers = Informers(cluster)
    controller = packages(cluster, folder).controller(informers.of(SKILL_PACK))
    running = [asyncio.create_task(informers.run()), asyncio.create_task(controller.run())]
    try:
        first = await _there(cluster, "")
        await cluster.delete(SKILL_PACK, SYSTEM_NAMESPACE, "hello")
        assert await _there(cluster, first) != first
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_every_pack_says_how_many_skills_it_has(cluster: Any, folder: Path) -> None:
    skills = [{"name": name, "content": "x"} for name in "abc"]
    own = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "spec": {"skills": skills}}
    informers = Informers(cluster)
    controller = packages(cluster, folder).controller(informers.of(SKILL_PACK))
    running = [asyncio.create_task(informers.run()), asyncio.create_task(controller.run())]
    try:
        made = await cluster.create(SKILL_PACK, {**own, "metadata": {"name": "mine", "namespace": "team"}})
        async with asyncio.timeout(10):
            async for event in cluster.watch(SKILL_PACK, "team", resource_version=made["metadata"]["resourceVersion"]):
                if event.object.get("status") == {"skillCount": 3}:
                    break
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _there(cluster: Any, but: str) -> str:
    async with asyncio.timeout(10):
        while True:
            try:
                uid = str((await cluster.get(SKILL_PACK, SYSTEM_NAMESPACE, "hello"))["metadata"]["uid"])
            except NotFound:
                uid = but
            if uid != but:
                return uid
            await asyncio.sleep(0.01)
