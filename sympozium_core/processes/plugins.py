"""What is installed, as every process of the control plane uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sympozium_core import names
from sympozium_core.contracts.skill import Skill
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.processes.directory import Directory
from sympozium_core.processes.harnesses import Harnesses, harness_drivers
from sympozium_core.processes.shared_reads import Reader
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.loading import Failure
from sympozium_core.registry.record import Record
from sympozium_core.registry.relay import Relay, Source, load_relay

Commands = Mapping[str, tuple[str, ...]]
"""Command lines of the ``agent`` and the ``bridge``."""

IN_IMAGES: Commands = {
    "agent": ("python3", "-P", "-m", "sympozium_core.runner"),
    "bridge": ("python3", "-P", "-m", "sympozium_core.bridge"),
}


def load_hooks(record: Record) -> Relay:
    """Every hook plugin; what became of each is put on record."""
    found = installed([names.GROUP_HOOKS])

    def remember(source: Source, failure: Failure | None) -> None:
        reason = failure.message if failure else ""
        record.write(
            names.GROUP_HOOKS,
            source.name,
            ok=failure is None,
            reason=reason,
            version=source.version,
            distribution=source.distribution,
        )

    sources = (Source(entry.name, entry.value, entry.distribution, entry.version, entry.conflicts) for entry in found)
    return load_relay(sources, loaded=remember)


def make_directory(
    cluster: Reader,
    record: Record,
    sandbox: Callable[[], Awaitable[SandboxFacts]],
    relay: Relay,
    commands: Commands,
    archives: SkillArchives | None = None,
) -> Directory:
    skills: Drivers[Skill] = Drivers(names.GROUP_SKILLS, Skill, record=record)
    harnesses = Harnesses(harness_drivers(record=record), commands["agent"])
    return Directory(cluster, skills, sandbox, relay, commands, archives, harnesses)
