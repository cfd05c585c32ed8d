"""``python -m sympozium_skill_sre_observability``: the tool server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def main() -> None:
    from sympozium_core.sidecar.server import Server
    from sympozium_skill_sre_observability import loki, pods, prometheus

    tools: list[Callable[..., Any]] = [
        prometheus.prometheus_query,
        prometheus.prometheus_range,
        prometheus.prometheus_alerts,
        prometheus.prometheus_metrics,
    ]
    tools += [loki.loki_query, loki.loki_labels, pods.pod_status, pods.pod_logs, pods.pod_usage]
    Server("sre-observability", tools).serve()


if __name__ == "__main__":
    main()
