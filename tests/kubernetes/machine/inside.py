"""The first process of a cluster's namespaces: brings the cluster up, says how that went, and stays."""

from __future__ import annotations

import traceback

from tests.kubernetes.machine import control_plane, images, lifecycle, namespaces, network, node, pki, simulated
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.machine.processes import Processes, wait_until


def _bring_up(layout: Layout) -> None:
    wait_until(layout.state.exists, 10, f"{layout.state} was not written")
    state = lifecycle.read(layout)
    wanted, processes = state.wanted, Processes(layout)
    namespaces.furnish(layout, wanted.node)
    network.make()
    pki.make(layout)
    control_plane.start(layout, processes)
    if wanted.node:
        folder = layout.data / "images"
        folder.mkdir()
        node.start(layout, processes, state.group, images.make_own(layout.programs / "pause", folder))
    if wanted.simulated:
        simulated.start(layout, processes, wanted.simulated)


def main(layout: Layout) -> None:
    """Never returns: the cluster lives as long as this process."""
    try:
        _bring_up(layout)
        failure = ""
    except MachineError as error:
        failure = str(error)
    except Exception:
        failure = traceback.format_exc()
    partial = layout.root / ".outcome"
    partial.write_text(failure)
    partial.replace(layout.outcome)
    namespaces.reap()
