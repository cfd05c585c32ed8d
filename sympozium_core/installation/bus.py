"""The event bus: one NATS server with JetStream, and what its clients need to reach it. Its keys are made by the bootstrap Job."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from sympozium_core import names
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.server_config import Keys, ServerConfig, Tls, render
from sympozium_core.contracts.builtin_kinds import (
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
)
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import Process, SecretFiles, http_probes, make, pod_template, selector

CLIENT_PORT, MONITOR_PORT = 4222, 8222
SEEDS = {"controller": Kind.USER, "gateway": Kind.USER, "system": Kind.USER, "account-signing": Kind.ACCOUNT}
"""Whose nkey seeds are in the Secret, each as ``<name>.seed``; the public keys beside them as ``<name>.public``."""
SEED_FOLDER, CA_FOLDER = "/etc/sympozium/bus", "/etc/sympozium/ca"
CA_FILE = "ca.crt"
CONFIG_FOLDER, TLS_FOLDER, STORE = "/etc/nats", "/etc/nats-tls", "/data"
GRACE = 60
"""Seconds for a server to write everything down."""


def address(options: Options) -> str:
    return options.nats_url or f"tls://{names.SERVICE_NATS}.{options.namespace}.svc:{CLIENT_PORT}"


def port(options: Options) -> int:
    return urlsplit(address(options)).port or CLIENT_PORT


def seed_file(name: str) -> str:
    return f"{SEED_FOLDER}/{name}.seed"


def environment(options: Options, who: str) -> dict[str, str]:
    """How a process of the control plane reaches the bus, as the user `who`."""
    found = {names.ENV_BUS_ADDRESS: address(options), names.ENV_BUS_SEED_FILE: seed_file(who)}
    if options.own_bus:
        found[names.ENV_BUS_CA_FILE] = f"{CA_FOLDER}/{CA_FILE}"
    elif options.nats_ca:
        found[names.ENV_BUS_CA_FILE] = f"{SEED_FOLDER}/{CA_FILE}"
    return found


def files(options: Options, *seeds: str) -> list[SecretFiles]:
    """What `environment` names, and the seeds of further users."""
    keys = tuple(f"{seed}.seed" for seed in seeds)
    if options.own_bus:
        authority = SecretFiles(names.SECRET_NATS_TLS, CA_FOLDER, (CA_FILE,))
        return [SecretFiles(names.SECRET_BUS, SEED_FOLDER, keys), authority]
    return [SecretFiles(names.SECRET_BUS, SEED_FOLDER, (*keys, CA_FILE) if options.nats_ca else keys)]


def server(options: Options) -> list[Object]:
    """ConfigMap, Service, StatefulSet; nothing where the operator brings a bus."""
    if not options.own_bus:
        return []
    text = configuration(options)
    ports = [{"name": "client", "port": CLIENT_PORT, "targetPort": "client", "protocol": "TCP"}]
    service = {"spec": {"selector": selector(names.COMPONENT_NATS), "ports": ports}}
    budget = {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(names.COMPONENT_NATS)}}}
    return [
        make(options, CONFIG_MAP, names.CONFIG_NATS, names.COMPONENT_NATS, {"data": {"nats.conf": text}}),
        make(options, SERVICE, names.SERVICE_NATS, names.COMPONENT_NATS, service),
        make(options, STATEFUL_SET, names.SERVICE_NATS, names.COMPONENT_NATS, {"spec": _stateful_set(options, text)}),
        make(options, POD_DISRUPTION_BUDGET, names.SERVICE_NATS, names.COMPONENT_NATS, budget),
    ]


def _stateful_set(options: Options, text: str) -> Object:
    template = pod_template(options, _process(options))
    # A server reads its configuration once.
    template["metadata"]["annotations"] = {f"{names.GROUP}/configuration": hashlib.sha256(text.encode()).hexdigest()[:16]}
    claim: Object = {
        "volumeMode": "Filesystem",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": options.nats_storage}},
    }
    if options.nats_storage_class:
        claim["storageClassName"] = options.nats_storage_class
    return {
        "serviceName": names.SERVICE_NATS,
        "replicas": 1,
        "selector": {"matchLabels": selector(names.COMPONENT_NATS)},
        "template": template,
        "volumeClaimTemplates": [_with_defaults(claim)],
    }


def _with_defaults(claim: Object) -> Object:
    """With all that the API server would fill in: the list is one field, and who applies it as well must find it equal to what is stored."""
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
        "kind": PERSISTENT_VOLUME_CLAIM.kind,
        "metadata": {"name": "data", "labels": selector(names.COMPONENT_NATS)},
        "spec": claim,
        "status": {"phase": "Pending"},
    }


def _process(options: Options) -> Process:
    config: Object = {"name": "config", "configMap": {"name": names.CONFIG_NATS}}
    return Process(
        names.COMPONENT_NATS,
        options.images.nats,
        options.nats,
        args=["--config", f"{CONFIG_FOLDER}/nats.conf"],
        env=[_public_key(name) for name in SEEDS],
        ports={"client": CLIENT_PORT, "monitor": MONITOR_PORT},
        files=[SecretFiles(names.SECRET_NATS_TLS, TLS_FOLDER, ("tls.crt", "tls.key", CA_FILE))],
        volumes=[config],
        mounts=[{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}, {"name": "data", "mountPath": STORE}],
        probes=http_probes(MONITOR_PORT, ready="/healthz?js-enabled-only=true", alive="/healthz?js-server-only=true"),
        grace=GRACE,
    )


def configuration(options: Options) -> str:
    """The server's configuration. Keys are made in the cluster, so it names variables of the server's environment instead."""
    samples = {name: KeyPair.generate(kind).public for name, kind in SEEDS.items()}
    text = render(
        ServerConfig(
            keys=Keys(
                issuer=samples["account-signing"],
                system=samples["system"],
                controller=samples["controller"],
                gateway=samples["gateway"],
            ),
            tls=Tls(f"{TLS_FOLDER}/tls.crt", f"{TLS_FOLDER}/tls.key"),
            server_name=names.SERVICE_NATS,
            port=CLIENT_PORT,
            store_dir=STORE,
            sync_always=options.nats_sync_always,
            monitor_port=MONITOR_PORT,
        )
    )
    for name, key in samples.items():
        text = text.replace(f'"{key}"', f"${_variable(name)}")
    return text


def _variable(name: str) -> str:
    """Of the server's environment: the public key of a user."""
    return f"{name.upper().replace('-', '_')}_KEY"


def _public_key(name: str) -> Object:
    reference = {"name": names.SECRET_BUS, "key": f"{name}.public"}
    return {"name": _variable(name), "valueFrom": {"secretKeyRef": reference}}
