"""The three Deployments of the control plane, all of one image: controller, gateway and webhook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    POD_DISRUPTION_BUDGET,
    SERVICE,
)
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation import bus
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import (
    HEALTH_PORT,
    Process,
    SecretFiles,
    http_probes,
    make,
    pod_template,
    selector,
    spread,
    system_env,
    variables,
)
from sympozium_core.installation.rbac import account
from sympozium_core.installation.rights import CONTROLLER, GATEWAY, WEBHOOK

WEBHOOK_PORT = 9443
CERTIFICATE_FOLDER = "/etc/sympozium/tls"
BUSY = 70
"""Percent of the processor time asked for, above which an autoscaler adds pods."""


def controller(options: Options) -> list[Object]:
    env = {
        **bus.environment(options, "controller"),
        names.ENV_ACCOUNT_SEED_FILE: bus.seed_file("account-signing"),
        names.ENV_SYSTEM_SEED_FILE: bus.seed_file("system"),
        names.ENV_MAX_CONCURRENT_RUNS: str(options.max_concurrent_runs),
        names.ENV_MAX_RUN_HISTORY: str(options.max_run_history),
        names.ENV_RUNNER_IMAGE: options.images.runner,
        names.ENV_SKILL_IMAGE: options.images.skill,
        names.ENV_IMAGE_PULL_POLICY: options.images.pull_policy,
    }
    if options.cert_manager:
        env[names.ENV_CA_SECRET] = names.SECRET_WEBHOOK_TLS
    process = Process(
        CONTROLLER,
        options.images.control_plane,
        options.controller,
        args=[CONTROLLER],
        env=_environment(options, env),
        ports={"health": HEALTH_PORT},
        files=bus.files(options, "controller", "account-signing", "system"),
        service_account=account(CONTROLLER),
        probes=http_probes(HEALTH_PORT),
    )
    return _workload(options, process, Number(options.controller_replicas, options.controller_replicas))


def gateway(options: Options) -> list[Object]:
    process = Process(
        GATEWAY,
        options.images.control_plane,
        options.gateway,
        args=[GATEWAY],
        env=_environment(options, bus.environment(options, "gateway")),
        ports={"health": HEALTH_PORT},
        files=bus.files(options, "gateway"),
        service_account=account(GATEWAY),
        probes=http_probes(HEALTH_PORT),
        grace=60,
    )
    return _workload(options, process, Number(options.gateway_replicas, options.gateway_max_replicas))


def webhook(options: Options) -> list[Object]:
    env = {names.ENV_WEBHOOK_PORT: str(WEBHOOK_PORT), names.ENV_CERTIFICATE_DIR: CERTIFICATE_FOLDER}
    env[names.ENV_RUNNER_IMAGE] = options.images.runner  # what a run may ask for is what the controller's driver has
    env[names.ENV_SKILL_IMAGE] = options.images.skill
    env[names.ENV_IMAGE_PULL_POLICY] = options.images.pull_policy
    process = Process(
        WEBHOOK,
        options.images.control_plane,
        options.webhook,
        args=[WEBHOOK],
        env=_environment(options, env),
        ports={"https": WEBHOOK_PORT, "health": HEALTH_PORT},
        files=[SecretFiles(names.SECRET_WEBHOOK_TLS, CERTIFICATE_FOLDER, ("tls.crt", "tls.key"))],
        service_account=account(WEBHOOK),
        probes=http_probes(HEALTH_PORT),
    )
    ports = [{"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"}]
    service = {"spec": {"selector": selector(WEBHOOK), "ports": ports}}
    number = Number(options.webhook_replicas, options.webhook_max_replicas)
    return [make(options, SERVICE, names.SERVICE_WEBHOOK, WEBHOOK, service), *_workload(options, process, number)]


def _environment(options: Options, more: Mapping[str, str]) -> list[Object]:
    return variables({**system_env(options), **more})


@dataclass(frozen=True)
class Number:
    """How many pods there are at least, and at most."""

    least: int
    most: int


def _workload(options: Options, process: Process, number: Number) -> list[Object]:
    """A Deployment with its budget and, where the number may grow, its autoscaler."""
    budget = _budget(options, process.component)
    if number.most <= number.least:
        return [_deployment(options, process, number.least), budget]
    # The autoscaler decides how many there are: who applies the Deployment again must not set it back.
    return [_deployment(options, process, None), budget, _autoscaler(options, process.component, number)]


def _deployment(options: Options, process: Process, replicas: int | None) -> Object:
    template = pod_template(options, process)
    template["spec"]["topologySpreadConstraints"] = [spread(process.component)]
    spec: Object = {
        "selector": {"matchLabels": selector(process.component)},
        "revisionHistoryLimit": 3,
        "template": template,
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return make(options, DEPLOYMENT, account(process.component), process.component, {"spec": spec})


def _budget(options: Options, component: str) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(component)}}
    return make(options, POD_DISRUPTION_BUDGET, account(component), component, {"spec": spec})


def _autoscaler(options: Options, component: str, number: Number) -> Object:
    target = {"type": "Utilization", "averageUtilization": BUSY}
    spec = {
        "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": account(component)},
        "minReplicas": number.least,
        "maxReplicas": number.most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return make(options, HORIZONTAL_POD_AUTOSCALER, account(component), component, {"spec": spec})
