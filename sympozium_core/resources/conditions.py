"""`status.conditions`, as all of Kubernetes has them (https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/v1#Condition)."""

from __future__ import annotations

from typing import Literal

from sympozium_core.resources.fields import Count, Time
from sympozium_core.resources.strictness import Loose


class Condition(Loose):
    type: str
    """Unique in the list, such as ``Ready``."""
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    """One word in CamelCase."""
    message: str = ""
    """For people."""
    last_transition_time: Time | None = None
    observed_generation: Count | None = None
    """`metadata.generation` that the condition speaks of."""
