"""The folder of one pod: docs/architecture.md, "A pod on one machine"."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.skill_texts import write_skills
from sympozium_sandbox_process.deletion import delete_tree

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
_FOLDERS = {
    "agent": (
        *dict.fromkeys(Path(each).parts[0] for each in (layout.TASK, layout.RESULT, layout.CONTROL_CANCEL)),
        layout.TOOLS,
    ),
    "skill": (layout.TOOLS,),
    "hook": (Path(layout.CONTROL_SKIP).parts[0],),
}
"""Of a container's own volume, by its role."""
REMOVING = ".removing-"
"""Prefix of what is on its way out; a later `open` finishes it."""


class PodFiles:
    """Paths, and the steps of making and removing them. All folders are 0700; everything that fails raises OSError."""

    def __init__(self, data_dir: Path, pod_id: str) -> None:
        if not is_label(pod_id):
            raise Permanent(f"pod id {pod_id[:80]!r} is not a DNS label", hint="at most 63 of a-z, 0-9 and -")
        self.data_dir = data_dir
        self.root = data_dir / pod_id
        self.volumes = self.root / "volumes"
        self.workspace = self.root / "workspace"
        self.tmp = self.root / "tmp"
        self.skills = self.root / "skills"
        self.credential = self.root / "bridge" / "credential.json"
        self.secrets = self.root / "secrets"
        """One folder a container that has a Secret, with a file for each of its keys."""
        self.memory: Path | None = None
        """That of the pod's instance, which stays behind; None for a pod without."""
        self.egress = False
        """Whether the plan opens any destination."""
        self.logs = self.root / "logs"
        self.state = self.root / "state.json"
        """What became of each container; its existence says that the pod has been started."""

    def log(self, container: str) -> Path:
        return self.logs / f"{container}.log"

    def make(self, plan: PodPlan, workspace_of: PodFiles | None) -> None:
        """Idempotent: whatever an interrupted earlier call has made is gone on with, a workspace that it has moved above all."""
        check_names(plan)
        for folder in (self.root, self.volumes, self.tmp, self.skills, self.credential.parent, self.logs):
            folder.mkdir(mode=0o700, exist_ok=True)
        for container in plan.containers:
            (self.tmp / container.name).mkdir(mode=0o700, exist_ok=True)
            if container.role != "bridge":
                for name in ("", *_FOLDERS[container.role]):
                    (self.volumes / container.name / name).mkdir(mode=0o700, exist_ok=True)
        if workspace_of is not None and not self.workspace.exists() and workspace_of.workspace.exists():
            os.rename(workspace_of.workspace, self.workspace)
            with contextlib.suppress(OSError):
                workspace_of.root.rmdir()  # When nothing else had been kept of it.
        self.workspace.mkdir(mode=0o700, exist_ok=True)
        write_skills(plan.skills, self.skills)

    def write_credential(self, address: str, token: str, pod_id: str) -> None:
        text = json.dumps({"address": address, "token": token, "pod": pod_id})
        self.credential.unlink(missing_ok=True)
        with open(os.open(self.credential, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    def write_secret(self, container: str, values: Mapping[str, bytes]) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.secrets / container)
        (self.secrets / container).mkdir(mode=0o700, parents=True)
        with Root(self.secrets / container) as folder:
            for key, value in values.items():
                folder.write_bytes(key, value, mode=0o600)

    def write_state(self, containers: dict[str, ContainerStatus]) -> None:
        """Not synced: after a loss of power the pod has ended anyway, and a controller asks its journal first."""
        data = {
            name: {
                "exitCode": status.exit_code,
                "outOfMemory": status.out_of_memory,
                "message": status.message,
                "said": status.said,
            }
            for name, status in containers.items()
        }
        temporary = self.state.with_suffix(".tmp")
        temporary.write_text(json.dumps(data), encoding="utf-8")
        os.replace(temporary, self.state)

    def read_state(self, lost: str) -> dict[str, ContainerStatus] | None:
        """What an earlier process wrote; None when it had not started the pod. `lost` is said of a container whose end nobody saw."""
        try:
            data = json.loads(self.state.read_text(encoding="utf-8"))
            return {
                name: ContainerStatus("ended", each["exitCode"], each["outOfMemory"], each["message"], each.get("said", ""))
                if each["exitCode"] is not None
                else ContainerStatus("ended", -9, message=lost)
                for name, each in data.items()
            }
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def said(self, container: str) -> str:
        """What a hook that has ended says; whatever it left there, this is a text within its bounds, or empty."""
        with contextlib.suppress(OSError, FileRefused), Root(self.volumes / container) as volume:
            descriptor = volume.open_file(layout.CONTROL_SKIP)
            try:
                return os.read(descriptor, layout.MAX_SKIP).decode(errors="replace").strip()
            finally:
                os.close(descriptor)
        return ""

    def delete(self, *, keep_workspace: bool) -> None:
        """First by one rename out of the list of pods, then for good; the second half is finished by `sweep` if it is interrupted."""
        if not self.root.exists():
            return
        doomed = self.data_dir / f"{REMOVING}{self.root.name}-{os.urandom(4).hex()}"
        if keep_workspace and self.workspace.exists():
            doomed.mkdir(mode=0o700)
            for entry in self.root.iterdir():
                if entry != self.workspace:
                    os.rename(entry, doomed / entry.name)
        else:
            os.rename(self.root, doomed)
        delete_tree(doomed)


def check_names(plan: PodPlan) -> None:
    """Names become paths here, so nothing but plain ones passes. Raises Permanent."""
    for container in plan.containers:
        if not is_label(container.name):
            raise Permanent(f"container name {container.name[:80]!r} is not a DNS label", hint="at most 63 of a-z, 0-9 and -")
        if not container.command:
            raise Permanent(
                f"container {container.name!r} has no command, and this sandbox cannot run images",
                hint="give the command line on this machine",
            )
    if len({container.name for container in plan.containers}) != len(plan.containers):
        raise Permanent("two containers of the pod have the same name", hint="names must differ within a pod")
    for skill in plan.skills:
        for part in (skill.pack, skill.name):
            if not _FILE_NAME.fullmatch(part):
                raise Permanent(f"skill name {part[:80]!r} cannot be a file name", hint="letters, digits, '.', '_' and '-'")


def is_label(name: str) -> bool:
    return _LABEL.fullmatch(name) is not None


def listed(data_dir: Path) -> list[str]:
    """Every pod of which a folder is left."""
    return sorted(entry.name for entry in data_dir.iterdir() if is_label(entry.name) and entry.is_dir())


def sweep(data_dir: Path) -> None:
    """Finishes the removals that an earlier process has begun."""
    for entry in data_dir.glob(f"{REMOVING}*"):
        delete_tree(entry)
