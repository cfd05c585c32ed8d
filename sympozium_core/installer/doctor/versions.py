"""Whether program, installation and components are of one version."""

from __future__ import annotations

from sympozium_core.contracts.builtin_kinds import POD
from sympozium_core.contracts.cluster import metadata
from sympozium_core.installation.parts import LABEL_VERSION
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed, warn
from sympozium_core.installer.installed import check_server, own_version
from sympozium_core.installer.removing import OF_THE_INSTALLATION


async def kubernetes(subject: Subject) -> list[Finding]:
    return passed(f"Kubernetes {await check_server(subject.cluster)}")


async def skew(subject: Subject) -> list[Finding]:
    own, installed = own_version(), subject.installed.version
    if own != installed:
        return warn(
            f"version {installed} is installed, and this program is version {own}: what follows may not hold for it",
            "use the program of that version, or sympozium upgrade",
        )
    pods = (await subject.cluster.list(POD, subject.namespace, labels=OF_THE_INSTALLATION)).items
    others = [
        f"pod {metadata(pod)['name']} is of version {version}"
        for pod in pods
        if (version := (metadata(pod).get("labels") or {}).get(LABEL_VERSION)) != installed
        and (pod.get("status") or {}).get("phase") == "Running"
    ]
    if others:
        return fail("parts of the control plane are of another version", "sympozium upgrade brings them to one", *others[:6])
    return passed(f"everything is of version {installed}")
