"""Drivers for pods on this machine that are each wrong in one way: small changes of `process` and `bubblewrap`. Classes of a module, because a check starts one in
a process of its own."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox
from sympozium_sandbox_process import launcherclient
from sympozium_sandbox_process.driver import ProcessSandbox
from sympozium_sandbox_process.podfiles import PodFiles
from sympozium_sandbox_process.slots import ContainerSpec

from sympozium_core import names
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import Availability, ContainerStatus, NoRoom, PodStatus, SandboxContext
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.ipc import layout

START = launcherclient._START


class Changed(ProcessSandbox):
    """What a break changes: how a container is started, what is said of it, or the launcher, by code that runs in it first."""

    launcher: ClassVar[str] = ""

    async def open(self, context: SandboxContext) -> None:
        launcherclient._START = START.replace("; main()", f"; exec({self.launcher!r}); main()")
        await super().open(context)

    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        return self.spec(super().container_spec(files, pod_id, container), files, container)

    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return spec

    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        found = {name: self.told(each, pod_id, name) for name, each in status.containers.items()}
        return replace(status, containers=found)

    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return status


def with_env(spec: ContainerSpec, **variables: str) -> ContainerSpec:
    return {**spec, "env": {**spec["env"], **variables}}


class SaysAllIsWell(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, exit_code=0) if status.state == "ended" else status


class AlwaysExplains(Changed):
    async def observe(self, pod_id: str) -> PodStatus:
        return replace(await super().observe(pod_id), message="Busy: it runs")


class KeepsTheBeginning(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, message=status.message[:100])


class KnowsTheAgentAlone(Changed):
    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        return replace(status, containers={name: each for name, each in status.containers.items() if name == "agent"})


class KnowsEveryPod(Changed):
    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        return PodStatus("ended") if status.state == "absent" else status


class StartsAgain(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        await self.remove(pod_id)
        await super().start(pod_id, plan, workspace_of=workspace_of)


class OneVolume(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return with_env(spec, **{names.ENV_IPC: str(files.volumes / "agent")})


class ElsewhereAtFirst(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return {**spec, "cwd": str(files.tmp)}


class HandsDownEverything(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return {**spec, "env": {**os.environ, **spec["env"]}}


class BelievesThePlan(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return with_env(spec, **container.env)


class Indulgent(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        with suppress(Permanent):
            await super().start(pod_id, plan, workspace_of=workspace_of)


class Small(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        if len(self._pods) >= 10:
            raise NoRoom("there is room for ten")
        await super().start(pod_id, plan, workspace_of=workspace_of)


class NeverOutOfMemory(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, out_of_memory=False)


class KillsAtOnce(Changed):
    async def stop(self, pod_id: str, *, grace: float) -> None:
        await super().stop(pod_id, grace=0)


class NeverStops(Changed):
    async def stop(self, pod_id: str, *, grace: float) -> None:
        pass


class AsksAllAtOnce(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return {**spec, "trusted": False}


class BusyWhileItStops(Changed):
    stopping = False

    async def stop(self, pod_id: str, *, grace: float) -> None:
        self.stopping = True
        await super().stop(pod_id, grace=grace)

    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        if self.stopping:
            raise Temporary("it is being stopped")
        await super().remove(pod_id, keep_workspace=keep_workspace)


class LetsGo(Changed):
    """What takes a session and an environment of its own gets away, until the launcher itself ends."""

    launcher = (
        "from sympozium_sandbox_process import cgroups, launcher, processtable\n"
        "real, end = launcher.fugitives, launcher.Launcher._end_all\n"
        "cgroups.find = lambda name: None\n"
        "launcher.fugitives = lambda *given: set()\n"
        "def ending(self):\n"
        "    processtable.kill(real(processtable.snapshot(), [], set()))\n"
        "    end(self)\n"
        "launcher.Launcher._end_all = ending\n"
    )


class KeepsFolders(Changed):
    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        await super().remove(pod_id, keep_workspace=True)


class DeafToHooks(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, said="")


class PutsWordsIntoMouths(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, said=status.said or "skip")


class ListensToAll(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, said=self._pods[pod_id].files.said(name))


class Talkative(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        return replace(status, said=status.said * 2)


class FollowsLinks(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        file = self._pods[pod_id].files.volumes / name / layout.CONTROL_SKIP
        return replace(status, said=file.read_text()) if status.state == "ended" else status


class TwoLines(Changed):
    async def check(self) -> Availability:
        return replace(await super().check(), reason="it works\nand more")


class CodesOfShells(Changed):
    def told(self, status: ContainerStatus, pod_id: str, name: str) -> ContainerStatus:
        code = status.exit_code
        return replace(status, exit_code=128 - code if code is not None and code < 0 else code)


class OneOutput(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return {**spec, "argv": ["sh", "-c", 'exec "$@" >&2', "sh", *spec["argv"]]}


class HidesSkills(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return with_env(spec, **{names.ENV_SKILLS: "/no/such/folder"})


class PlainFilesOnly(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        for path in files.skills.rglob("*.sh"):
            path.chmod(0o600)
        return spec


class SharesSecrets(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return with_env(spec, **{names.ENV_SECRET: str(files.secrets / "skill-one")})


class Forgetful(Changed):
    def _memory_folder(self, plan: PodPlan) -> Path:
        return super()._memory_folder(plan) / uuid.uuid4().hex


class RemembersAnywhere(Changed):
    def _memory_folder(self, plan: PodPlan) -> Path:
        folder = self._opened().memory_dir
        assert folder is not None
        return folder / (plan.memory or "anybody")


class EmptySecrets(Changed):
    async def _secret(self, namespace: str, name: str) -> Any:
        with suppress(Permanent):
            return await super()._secret(namespace, name)
        return {}


class ShowsTheCredential(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        if container.role == "bridge":
            files.credential.chmod(0o644)
        return spec


class LargeFiles(Changed):
    def spec(self, spec: ContainerSpec, files: PodFiles, container: Container) -> ContainerSpec:
        return {**spec, "limits": {**spec["limits"], "file_size": 1 << 40}}


class AllForOne(Changed):
    async def observe(self, pod_id: str) -> PodStatus:
        status = await super().observe(pod_id)
        if not any(each.state == "ended" for each in status.containers.values()):
            return status
        return PodStatus("ended", dict.fromkeys(status.containers, ContainerStatus("ended", 0)))


class LosesWorkspaces(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        await super().start(pod_id, plan)


class NeedsAWorkspace(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        if workspace_of and not PodFiles(self._opened().data_dir, workspace_of).workspace.exists():
            raise Permanent(f"pod {workspace_of} has no workspace")
        await super().start(pod_id, plan, workspace_of=workspace_of)


class RemovesSimply(Changed):
    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        shutil.rmtree(self._opened().data_dir / pod_id)


class Lingers(Changed):
    async def close(self) -> None:
        """Leaves all as it is."""


class OutlivesItsServer(Changed):
    """For some seconds, which is too long."""

    launcher = (
        "import time\n"
        "from sympozium_sandbox_process import launcher\n"
        "end = launcher.Launcher._end_all\n"
        "launcher._watch_parent = lambda parent: None\n"
        "launcher.Launcher._end_all = lambda self: (time.sleep(5), end(self))\n"
    )


class ForgetsEnds(Changed):
    async def open(self, context: SandboxContext) -> None:
        for file in context.data_dir.glob("*/state.json"):
            file.unlink()
        await super().open(context)


class TakesNothingOver(Changed):
    def _take_over(self, data_dir: Path) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


class TellsFromAThread(Changed):
    async def open(self, context: SandboxContext) -> None:
        def changed(pod_id: str) -> None:
            thread = threading.Thread(target=context.changed, args=(pod_id,))
            thread.start()
            thread.join()

        await super().open(replace(context, changed=changed))


class SilentWhenClosed(Changed):
    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        if self._context is not None:
            await super().start(pod_id, plan, workspace_of=workspace_of)


class NoWalls(Changed):
    """`process` itself, of which the suite is told that it promises everything."""


class _Walled(BubblewrapSandbox):
    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        return super().container_spec(files, pod_id, self.seen(files, container))

    def seen(self, files: PodFiles, container: Container) -> Container:
        return container


class ShowsAllFolders(_Walled):
    def seen(self, files: PodFiles, container: Container) -> Container:
        return replace(container, workspace=True, skills=True)


class ManyProcesses(_Walled):
    """And few that are asked for: no machine needs to bear it."""

    def seen(self, files: PodFiles, container: Container) -> Container:
        few = tuple(word.replace("range(1500)", "range(2)").replace("time.sleep(10)", "pass") for word in container.command)
        return replace(container, command=few, resources=replace(container.resources, processes=100_000))


class MislaysTheCredential(_Walled):
    def seen(self, files: PodFiles, container: Container) -> Container:
        if container.name == "agent":
            shutil.copy(files.credential, files.tmp / "agent" / "credential.json")
        return container


class _OtherOptions(BubblewrapSandbox):
    """Bubblewrap is asked for something else."""

    old: ClassVar[bytes]
    new: ClassVar[bytes] = b""

    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        spec = super().container_spec(files, pod_id, container)
        written = files.root / f".options-{container.name}"
        assert self.old in written.read_bytes()
        written.write_bytes(written.read_bytes().replace(self.old, self.new))
        return spec


class WritableRoot(_OtherOptions):
    old = b"--remount-ro\0/\0"


class NetworkOfTheMachine(_OtherOptions):
    old = b"--unshare-net\0"


class ShowsVar(_OtherOptions):
    old = b"--remount-ro\0"
    new = b"--ro-bind\0/var\0/var\0--remount-ro\0"


class Break(Protocol):
    """A driver's class."""

    def __call__(self) -> ProcessSandbox | BubblewrapSandbox: ...


BREAKS: tuple[tuple[Break, str], ...] = (
    (NoWalls, "promises_are_those_expected"),
    (SaysAllIsWell, "a_pod_runs_and_ends_with_its_code"),
    (AlwaysExplains, "a_running_pod_is_observed_as_such"),
    (KeepsTheBeginning, "message_is_the_end_of_standard_error"),
    (KnowsTheAgentAlone, "the_worst_container_explains_the_end"),
    (KnowsEveryPod, "an_unknown_pod_is_absent_and_may_be_ended"),
    (StartsAgain, "a_second_start_leaves_the_pod_alone"),
    (OneVolume, "no_container_sees_the_volume_of_another"),
    (ElsewhereAtFirst, "the_workspace_is_shared"),
    (HandsDownEverything, "nothing_of_the_servers_environment_is_handed_down"),
    (BelievesThePlan, "the_plans_environment_cannot_replace_the_drivers"),
    (Indulgent, "a_bad_pod_id_is_refused"),
    (Indulgent, "a_bad_plan_is_refused_and_leaves_nothing"),
    (Small, "twenty_pods_at_once"),
    (NeverOutOfMemory, "too_much_memory_is_told_as_such"),
    (KillsAtOnce, "stop_asks_first"),
    (NeverStops, "stop_kills_what_does_not_listen"),
    (AsksAllAtOnce, "the_bridge_is_asked_after_the_others"),
    (BusyWhileItStops, "a_removal_does_not_wait_for_a_grace"),
    (LetsGo, "a_detached_process_ends_with_its_container"),
    (LetsGo, "a_detached_process_ends_with_a_stop"),
    (KeepsFolders, "removed_is_gone"),
    (ElsewhereAtFirst, "a_hook_is_a_pod_of_its_own"),
    (DeafToHooks, "what_a_hook_says"),
    (PutsWordsIntoMouths, "a_hook_that_says_nothing"),
    (ListensToAll, "what_a_failed_hook_says_does_not_count"),
    (Talkative, "what_a_hook_says_is_bounded"),
    (ListensToAll, "nobody_but_a_hook_says_anything"),
    (NoWalls, "only_its_own_folders_can_be_written"),
    (WritableRoot, "only_its_own_folders_can_be_written"),
    (ShowsAllFolders, "a_container_without_workspace_and_skills_sees_neither"),
    (NoWalls, "processes_of_the_machine_are_out_of_sight"),
    (ManyProcesses, "a_fork_bomb_is_bounded"),
    (NoWalls, "no_rights_beyond_an_ordinary_user"),
    (TwoLines, "check_is_quick_and_gives_a_reason"),
    (CodesOfShells, "a_signal_is_a_negative_code"),
    (OneOutput, "standard_output_is_no_part_of_the_message"),
    (OneVolume, "each_container_has_its_own_volume"),
    (HidesSkills, "skills_can_be_read"),
    (PlainFilesOnly, "programs_among_the_files_of_a_skill_can_be_executed"),
    (SharesSecrets, "a_secret_is_its_containers_alone_and_gone_with_the_pod"),
    (Forgetful, "the_memory_of_an_instance_is_its_pods_and_stays"),
    (RemembersAnywhere, "a_memory_needs_a_place_and_a_plain_name"),
    (EmptySecrets, "a_secret_or_key_that_is_not_there_is_named"),
    (ShowsTheCredential, "the_bridge_gets_credential_and_volumes"),
    (Indulgent, "a_plan_without_a_command_or_file_names_is_refused"),
    (LargeFiles, "one_file_has_a_bounded_size"),
    (AllForOne, "one_containers_end_spares_the_others"),
    (KeepsFolders, "a_removed_pod_leaves_no_folder"),
    (LosesWorkspaces, "a_workspace_goes_on_in_the_next_pod"),
    (LosesWorkspaces, "a_workspace_is_taken_from_a_pod_that_runs"),
    (NeedsAWorkspace, "an_earlier_pod_without_a_workspace_gives_an_empty_one"),
    (RemovesSimply, "a_hostile_tree_is_removed_and_nothing_else"),
    (Lingers, "close_ends_every_pod"),
    (OutlivesItsServer, "a_killed_server_leaves_no_process"),
    (ForgetsEnds, "an_end_that_was_seen_is_still_known_afterwards"),
    (TakesNothingOver, "processes_that_an_earlier_server_left_are_ended"),
    (TellsFromAThread, "changes_are_told_from_the_loops_thread"),
    (SilentWhenClosed, "a_closed_driver_says_so"),
    (FollowsLinks, "what_is_no_file_of_the_hooks_own_says_nothing"),
    (LosesWorkspaces, "the_workspace_goes_from_hook_to_agent_to_hook"),
    (ForgetsEnds, "what_a_hook_said_outlives_the_server"),
    (NoWalls, "files_of_the_machine_are_out_of_sight"),
    (ShowsVar, "files_of_the_machine_are_out_of_sight"),
    (NoWalls, "what_tells_of_the_machine_is_covered"),
    (MislaysTheCredential, "the_credential_is_out_of_reach"),
    (NoWalls, "there_is_no_network"),
    (NetworkOfTheMachine, "there_is_no_network"),
)
"""A broken driver, and the check that finds it."""
