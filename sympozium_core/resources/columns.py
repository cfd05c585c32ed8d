"""What `get` prints of each kind. Plain data without a model, so that the CLI prints tables without importing pydantic.

`crd.py` writes the same columns into the CRDs, so `kubectl get` prints the same. `AGE` is last in every table, as kubectl has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column of a table (`additionalPrinterColumns` of a CRD)."""

    name: str
    json_path: str
    """Kubernetes' restricted JSONPath, such as ``.status.phase`` or ``.spec.items[0].name``."""
    type: Literal["string", "integer", "boolean", "date"] = "string"
    priority: int = 0
    """0 is always shown, 1 only by ``-o wide``."""
    description: str = ""


AGE = Column("Age", ".metadata.creationTimestamp", "date")

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "SympoziumInstance": (
        Column("Phase", ".status.phase"),
        Column("Active Agents", ".status.activeAgentPods", "integer"),
        Column("Total Runs", ".status.totalAgentRuns", "integer"),
        Column("Model", ".spec.agents.default.model", priority=1),
        Column("Policy", ".spec.policyRef", priority=1),
        AGE,
    ),
    "AgentRun": (
        Column("Instance", ".spec.instanceRef"),
        Column("Phase", ".status.phase"),
        Column("Reason", ".status.reason"),
        Column("Pod", ".status.podName", priority=1),
        Column("Attempt", ".status.attempt", "integer", priority=1),
        Column("Tokens", ".status.tokenUsage.totalTokens", "integer", priority=1),
        AGE,
    ),
    "PersonaPack": (
        Column("Enabled", ".spec.enabled", "boolean"),
        Column("Personas", ".status.personaCount", "integer"),
        Column("Installed", ".status.installedCount", "integer"),
        Column("Phase", ".status.phase"),
        Column("Category", ".spec.category", priority=1),
        AGE,
    ),
    "SkillPack": (
        Column("Skills", ".status.skillCount", "integer"),
        Column("ConfigMap", ".status.configMapName", priority=1),
        Column("Image", ".spec.sidecar.image", priority=1),
        Column("Category", ".spec.category"),
        AGE,
    ),
    "SympoziumPolicy": (
        Column("Template", ".spec.template"),
        Column("Bound", ".status.boundInstances", "integer"),
        AGE,
    ),
    "SympoziumSchedule": (
        Column("Instance", ".spec.instanceRef"),
        Column("Schedule", ".spec.schedule"),
        Column("Time Zone", ".spec.timezone", priority=1),
        Column("Type", ".spec.type"),
        Column("Phase", ".status.phase"),
        Column("Last Run", ".status.lastRunTime", "date"),
        AGE,
    ),
    "MCPServer": (
        Column("Transport", ".spec.transportType"),
        Column("Ready", ".status.ready", "boolean"),
        Column("URL", ".status.url"),
        Column("Tools", ".status.toolCount", "integer"),
        AGE,
    ),
    "ToolApproval": (
        Column("Run", ".spec.runRef"),
        Column("Tool", ".spec.tool"),
        Column("Phase", ".status.phase"),
        Column("Decided By", ".spec.decidedBy.username"),
        Column("Expires", ".spec.expiresAt", "date", priority=1),
        AGE,
    ),
    "Secret": (Column("Type", ".type"), AGE),
    "ConfigMap": (AGE,),
    "Namespace": (Column("Status", ".status.phase"), AGE),
    "Lease": (Column("Holder", ".spec.holderIdentity"), AGE),
    "Event": (
        Column("Last Seen", ".lastTimestamp", "date"),
        Column("Type", ".type"),
        Column("Reason", ".reason"),
        Column("Object", ".involvedObject.name"),
        Column("Message", ".message"),
    ),
}
"""By kind. A kind that is not here has only its name and age."""
