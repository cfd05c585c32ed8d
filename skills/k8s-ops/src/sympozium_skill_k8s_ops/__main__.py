"""``python -m sympozium_skill_k8s_ops``: the tool server. With the parameter `rights: read` it offers what looks, and no more."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def main() -> None:
    from sympozium_core.sidecar.server import Server
    from sympozium_skill_k8s_ops import changing, looking

    tools: list[Callable[..., Any]] = [
        looking.k8s_get,
        looking.k8s_describe,
        looking.k8s_logs,
        looking.k8s_events,
        looking.k8s_top,
    ]
    if os.environ.get("SKILL_RIGHTS") != "read":
        tools += [changing.k8s_apply, changing.k8s_scale, changing.k8s_rollout, changing.k8s_delete, changing.k8s_exec]
    Server("k8s-ops", tools).serve()


if __name__ == "__main__":
    main()
