"""The control plane's own namespace, in which Pod Security admits only pods of the level ``restricted``."""

from __future__ import annotations

from sympozium_core.contracts.builtin_kinds import NAMESPACE
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make

POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def namespace(options: Options) -> Object:
    obj = make(options, NAMESPACE, options.namespace, "namespace", {})
    obj["metadata"]["labels"] |= POD_SECURITY
    return obj
