"""Whether a plan can be a pod at all, before anything of it is asked of a cluster: what passes becomes names, paths and labels."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from sympozium_core.contracts.mount_places import TAKEN, is_free
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.errors import Permanent
from sympozium_sandbox_kubernetes.settings import Settings

MAIN = ("agent", "hook")
"""Roles of the one container that a pod is for: it ends the pod."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_pod_id(pod_id: str) -> None:
    """Raises Permanent."""
    if not is_label(pod_id):
        raise Permanent(f"pod id {pod_id[:80]!r} is not a DNS label", hint="at most 63 of a-z, 0-9 and -")


def check_plan(plan: PodPlan, settings: Settings) -> None:
    """Raises Permanent that says what cannot be."""
    if not is_label(plan.namespace):
        raise Permanent(f"namespace {plan.namespace[:80]!r} is not a DNS label", hint="a pod on a cluster needs one")
    _check_names(each.name for each in plan.containers)
    mains = [each.name for each in plan.containers if each.role in MAIN]
    bridges = [each.name for each in plan.containers if each.role == "bridge"]
    if len(mains) != 1 or len(bridges) > 1:
        raise Permanent(
            f"the plan has {len(mains)} agents or hooks and {len(bridges)} bridges",
            hint="one agent or one hook, and at most one bridge",
        )
    for container in plan.containers:
        image_of(container, settings)
        _check_secret(container)


def image_of(container: Container, settings: Settings) -> str:
    """Raises Permanent for a container that nothing starts."""
    if container.image:
        return container.image
    if container.role in ("agent", "bridge"):
        return settings.runner_image
    if container.role == "hook":
        raise Permanent(f"hook {container.name!r} has no image", hint="give the hook an image")
    if container.command and settings.skill_image:
        return settings.skill_image_with(container.variant)
    lacks = "no image for Python skills is configured" if container.command else "it has no command either"
    raise Permanent(
        f"container {container.name!r} has no image, and {lacks}",
        hint="give the SkillPack a sidecar.image, or set SYMPOZIUM_SKILL_IMAGE on the controller",
    )


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not is_label(name):
            raise Permanent(f"container name {name[:80]!r} is not a DNS label", hint="at most 63 of a-z, 0-9 and -")
        if name in seen:
            raise Permanent(f"two containers of the pod are named {name!r}", hint="names must differ within a pod")
        seen.add(name)


def _check_secret(container: Container) -> None:
    path = container.secret_path
    if not container.secret:
        return
    if posixpath.normpath(path) != path or not is_free(path):
        raise Permanent(
            f"container {container.name!r} mounts its Secret at {path[:100]!r}",
            hint=f"an absolute path outside of {', '.join(TAKEN)}",
        )


def is_label(name: str) -> bool:
    return _LABEL.fullmatch(name) is not None
