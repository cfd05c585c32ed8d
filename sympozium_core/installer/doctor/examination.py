"""The checks, in the order in which a reader wants them, and how they are carried out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from sympozium_core.errors import SympoziumError
from sympozium_core.installer.doctor import (
    admission,
    certificates,
    isolation,
    nodes,
    objects,
    rights,
    versions,
    workloads,
)
from sympozium_core.installer.doctor.findings import Check, Finding, Subject, warn

CHECKS: Final[tuple[Check, ...]] = (
    versions.kubernetes,
    versions.skew,
    objects.definitions,
    workloads.controller,
    workloads.leader,
    workloads.gateway,
    workloads.webhook,
    workloads.event_bus,
    admission.answers,
    admission.trusted,
    certificates.expiry,
    rights.accounts,
    isolation.pod_security,
    isolation.network_policies,
    nodes.process_numbers,
    workloads.autoscalers,
    objects.everything_else,
)


async def examine(subject: Subject) -> AsyncIterator[Finding]:
    """What every check finds; one that cannot be carried out says so, and the others go on."""
    for check in CHECKS:
        try:
            found = await check(subject)
        except SympoziumError as error:
            title = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
            found = warn(
                f"{title.replace('_', ' ')} cannot be checked: {error.message}"[:400],
                error.hint or "look again with more rights",
            )
        for finding in found:
            yield finding
