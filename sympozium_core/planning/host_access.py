"""What of its node a skill's sidecar may touch: what its pack asks for, where a policy names the skill; never what would be the agent's too.

A name says nothing of who wrote a pack, so it has to be one of the control plane's namespace, or an installed package's.
"""

from __future__ import annotations

import posixpath

from sympozium_core.contracts.mount_places import TAKEN, is_free
from sympozium_core.contracts.plan import HostAccess, HostMount
from sympozium_core.errors import Cause
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.planning.inputs import SandboxFacts, SkillSource
from sympozium_core.planning.policy import EffectivePolicy

_WHOLE_POD = {"hostNetwork": "the node's network", "hostPID": "the node's processes"}
"""Kubernetes gives these to a pod or to none of its containers."""
_ASKS = ("enabled", *_WHOLE_POD, "privileged", "runAsRoot", "mounts")


def host_access(skill: SkillSource) -> HostAccess | None:
    """What the skill's container gets; None for one that asks for nothing."""
    asked = skill.sidecar.get("hostAccess") or {}
    if asked.get("enabled") is False or not any(asked.get(key) for key in _ASKS):
        return None
    mounts = asked.get("mounts") or []
    return HostAccess(
        tuple(
            HostMount(each["hostPath"], posixpath.normpath(each["mountPath"]), each.get("readOnly") is not False)
            for each in mounts
        ),
        run_as_root=bool(asked.get("runAsRoot")),
        privileged=bool(asked.get("privileged")),
    )


def host_faults(skill: SkillSource, sandbox: SandboxFacts) -> list[Cause]:
    """Why nobody could have what the skill asks for."""
    access = host_access(skill)
    if access is None:
        return []
    asked, what = skill.sidecar["hostAccess"], f"skill {skill.name!r} asks for sidecar.hostAccess"
    found = []
    if "host-access" not in sandbox.features:
        found.append(Cause("spec.skills", f"{what}, which sandbox {sandbox.name!r} does not have", "run on a cluster"))
    for field, that in _WHOLE_POD.items():
        if asked.get(field):
            whole = f"{what}.{field}: {that} would be the whole pod's, the agent's too"
            found.append(Cause("spec.skills", whole, "mount what it reads there (hostAccess.mounts)"))
    for mount in access.mounts:
        if not _is_sound(mount):
            where = f"skill {skill.name!r} mounts {mount.host_path[:100]!r} at {mount.mount_path[:100]!r} (sidecar.hostAccess.mounts)"
            found.append(Cause("spec.skills", where, f"absolute paths, inside the container outside of {', '.join(TAKEN)}"))
    return found


def host_refusals(skill: SkillSource, policy: EffectivePolicy) -> list[Cause]:
    """Why this skill may not have it."""
    if host_access(skill) is None:
        return []
    what, found = f"skill {skill.name!r} asks for sidecar.hostAccess", []
    if skill.name not in policy.host_access:
        hint = f"add {skill.name} to sandboxPolicy.hostAccess of the policy, or use a skill without"
        found.append(Cause("spec.skills", f"{what}, and policy {policy.name} does not name it", hint))
    namespace = (skill.pack.get("metadata") or {}).get("namespace")
    if namespace not in (None, SYSTEM_NAMESPACE):
        hint = f"have it applied in {SYSTEM_NAMESPACE}, or installed as a package"
        found.append(Cause("spec.skills", f"{what}, and its SkillPack is one of namespace {namespace!r}", hint))
    return found


def _is_sound(mount: HostMount) -> bool:
    return mount.host_path.startswith("/") and ".." not in mount.host_path.split("/") and is_free(mount.mount_path)
