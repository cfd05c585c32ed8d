"""What a user of the chart can choose: each value with the option that it stands for.

An installation is rendered with marks in place of values: numbers and words that occur nowhere else. What is a choice of yes and no, and so
changes the objects themselves, is rendered both ways.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from sympozium_core.installation.options import API_SERVER_PORTS, REGISTRY, Images, Options, Size

MARK = "zqx"
"""Begins every word that stands for a value."""
_NUMBER = 910_000
"""Begins the numbers that do."""

VALUES = f"""\
# Everything has a default that works; see docs/how-to/install-on-a-cluster.md.
images:
  registry: {REGISTRY}
  # The version of the chart, unless given.
  tag: ""
  # Whole names, with tag or digest, instead of the registry's.
  controlPlane: ""
  runner: ""
  skill: ""
  nats: ""
  pullPolicy: IfNotPresent
  # Names of Secrets in namespace sympozium-system.
  pullSecrets: []
# One controller works, the others stand by.
controller: {{replicas: 2, cpu: 100m, cpuLimit: "4", memory: 256Mi, memoryLimit: 2Gi}}
# An autoscaler adds pods under load where maxReplicas is more than replicas.
gateway: {{replicas: 2, maxReplicas: 10, cpu: 100m, cpuLimit: "4", memory: 256Mi, memoryLimit: 1Gi}}
webhook: {{replicas: 2, maxReplicas: 6, cpu: 50m, cpuLimit: "4", memory: 128Mi, memoryLimit: 512Mi}}
nats:
  cpu: 100m
  cpuLimit: "4"
  memory: 256Mi
  memoryLimit: 2Gi
  # 10Gi or more: journals and artifacts reserve 8.
  storage: 10Gi
  # The cluster's default, unless given.
  storageClass: ""
  # Write each message to the disk before it is acknowledged: nothing is lost with a node, at about half the rate.
  syncAlways: false
  # A NATS of your own, such as tls://nats.example.com:4222; its keys are in a Secret sympozium-bus that you make.
  url: ""
  # Whether that Secret has a ca.crt.
  ca: false
# Let cert-manager make the certificates.
certManager: false
# Where the API server may listen: what NetworkPolicies let the control plane reach.
apiServerPorts: {list(API_SERVER_PORTS)}
maxConcurrentRuns: 1000
maxRunHistory: 50
"""


@dataclass(frozen=True)
class Choice:
    """Yes or no; `condition` is what a template asks."""

    name: str
    condition: str
    otherwise: str = ""
    """What asks for the opposite, where that is shorter."""

    @property
    def opposite(self) -> str:
        return self.otherwise or f"not ({self.condition})"


CHOICES = (
    Choice("own_bus", "not .Values.nats.url", ".Values.nats.url"),
    Choice("nats_ca", ".Values.nats.ca"),
    Choice("storage_class", ".Values.nats.storageClass"),
    Choice("sync_always", ".Values.nats.syncAlways"),
    Choice("gateway_autoscaled", "gt (int .Values.gateway.maxReplicas) (int .Values.gateway.replicas)"),
    Choice("webhook_autoscaled", "gt (int .Values.webhook.maxReplicas) (int .Values.webhook.replicas)"),
    Choice("cert_manager", ".Values.certManager"),
    Choice("pull_secrets", ".Values.images.pullSecrets"),
)
Chosen = tuple[bool, ...]
"""One for each of `CHOICES`."""

_PORT = 64_991
EACH: Mapping[object, str] = {f"{MARK}-each": ".Values.images.pullSecrets", _NUMBER + 2: ".Values.apiServerPorts"}
"""Marks that stand for every item of a list."""

_IMAGES = {"control_plane": "controlPlane", "runner": "runner", "skill": "skill", "nats": "nats"}
_COMPONENTS = ("controller", "gateway", "webhook", "nats")
_SIZES = {"cpu": "cpu", "memory": "memory", "memory_limit": "memoryLimit", "cpu_limit": "cpuLimit"}


def _image(name: str, value: str) -> str:
    tag = "(default .Chart.AppVersion .Values.images.tag)"
    released = f'(printf "%s/sympozium-%s:%s" .Values.images.registry "{name.replace("_", "-")}" {tag})'
    return f"default {released} .Values.images.{value}"


WORDS: Mapping[str, str] = {
    f"{MARK}-version": ".Chart.AppVersion",
    f"{MARK}-pull-policy": ".Values.images.pullPolicy",
    f"{MARK}-storage-class": ".Values.nats.storageClass",
    f"{MARK}-storage": ".Values.nats.storage",
    f"tls://{MARK}:{_PORT}": ".Values.nats.url",
    **{f"{MARK}-image-{name}": _image(name, value) for name, value in _IMAGES.items()},
    **{f"{MARK}-{of}-{field}": f".Values.{of}.{value}" for of in _COMPONENTS for field, value in _SIZES.items()},
}
"""From a mark to the expression; none of them begins like a longer one that comes after it."""
NUMBERS: Mapping[int, str] = {
    _PORT: 'regexFind "[0-9]+$" .Values.nats.url | default "4222"',
    _NUMBER + 11: "int .Values.controller.replicas",
    _NUMBER + 12: "int .Values.gateway.replicas",
    _NUMBER + 13: "int .Values.gateway.maxReplicas",
    _NUMBER + 14: "int .Values.webhook.replicas",
    _NUMBER + 15: "int .Values.webhook.maxReplicas",
    _NUMBER + 16: "int .Values.maxConcurrentRuns",
    _NUMBER + 17: "int .Values.maxRunHistory",
}


def options(chosen: Chosen) -> Options:
    """With marks for values."""
    said = {choice.name: yes for choice, yes in zip(CHOICES, chosen, strict=True)}
    images = Images(
        **{name: f"{MARK}-image-{name}" for name in _IMAGES},
        pull_policy=f"{MARK}-pull-policy",
        pull_secrets=(f"{MARK}-each",) if said["pull_secrets"] else (),
    )
    marked = Options(
        f"{MARK}-version",
        images,
        controller=_size("controller"),
        gateway=_size("gateway"),
        webhook=_size("webhook"),
        nats=_size("nats"),
        controller_replicas=_NUMBER + 11,
        gateway_replicas=_NUMBER + 12,
        gateway_max_replicas=_NUMBER + 13 if said["gateway_autoscaled"] else _NUMBER + 12,
        webhook_replicas=_NUMBER + 14,
        webhook_max_replicas=_NUMBER + 15 if said["webhook_autoscaled"] else _NUMBER + 14,
        nats_storage_class=f"{MARK}-storage-class" if said["storage_class"] else "",
        nats_storage=f"{MARK}-storage",
        nats_sync_always=said["sync_always"],
        cert_manager=said["cert_manager"],
        api_server_ports=(_NUMBER + 2,),
        max_concurrent_runs=_NUMBER + 16,
        max_run_history=_NUMBER + 17,
    )
    return marked if said["own_bus"] else replace(marked, nats_url=f"tls://{MARK}:{_PORT}", nats_ca=said["nats_ca"])


def as_json() -> str:
    """All options as the inventory keeps them, with expressions in place of values."""
    data = dataclasses.asdict(options((True,) * len(CHOICES)))
    data |= {name: f"{MARK}-{name}" for name in _DIRECT}
    text = json.dumps(data, indent=2)
    for name, expression in _DIRECT.items():
        text = text.replace(f'"{MARK}-{name}"', f"{{{{ {expression} }}}}")
    text = re.sub(
        rf'\[\s*"?({"|".join(map(str, EACH))})"?\s*\]', lambda found: f"{{{{ toJson {_each(found.group(1))} }}}}", text
    )
    for number, expression in NUMBERS.items():
        text = text.replace(str(number), f"{{{{ {expression} }}}}")
    for word, expression in sorted(WORDS.items(), key=lambda item: -len(item[0])):
        text = text.replace(word, f"{{{{ {expression} }}}}")
    return text


_DIRECT = {
    "nats_url": "toJson .Values.nats.url",
    "nats_ca": ".Values.nats.ca",
    "nats_storage_class": "toJson .Values.nats.storageClass",
    "nats_sync_always": ".Values.nats.syncAlways",
    "cert_manager": ".Values.certManager",
}


def _each(mark: str) -> str:
    return next(values for known, values in EACH.items() if str(known) == mark)


def _size(component: str) -> Size:
    return Size(**{field: f"{MARK}-{component}-{field}" for field in _SIZES})


def every_choice() -> list[Chosen]:
    return list(product((True, False), repeat=len(CHOICES)))
