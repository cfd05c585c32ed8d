"""Installations of every shape that the options allow: what holds must hold of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.installation import render
from sympozium_core.installation.options import Options, released_images

USUAL = Options("1.2.3", released_images("1.2.3"))
SHAPES = {
    "usual": USUAL,
    "small": replace(
        USUAL,
        controller_replicas=1,
        gateway_replicas=1,
        gateway_max_replicas=1,
        webhook_replicas=1,
        webhook_max_replicas=1,
    ),
    "own-bus": replace(USUAL, nats_url="tls://nats.example.com:4333"),
    "own-bus-and-authority": replace(USUAL, nats_url="tls://nats.example.com", nats_ca=True),
    "cert-manager": replace(USUAL, cert_manager=True),
    "chosen": replace(
        USUAL,
        images=replace(USUAL.images, pull_policy="Always", pull_secrets=("one", "two")),
        nats_storage_class="fast",
        nats_storage="50Gi",
        nats_sync_always=True,
        max_concurrent_runs=7,
        api_server_ports=(443, 8443),
    ),
}


@pytest.fixture(params=SHAPES, scope="session")
def options(request: pytest.FixtureRequest) -> Options:
    return SHAPES[request.param]


@pytest.fixture(scope="session")
def objects(options: Options) -> Sequence[dict[str, Any]]:
    return render.everything(options)


def pod_templates(objects: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod specs of everything that makes pods, by the maker's name."""
    return {
        obj["metadata"]["name"]: obj["spec"]["template"]["spec"]
        for obj in objects
        if isinstance(obj.get("spec"), dict) and "template" in obj["spec"]
    }


def of_kind(objects: Sequence[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {obj["metadata"]["name"]: obj for obj in objects if obj["kind"] == kind}
