"""Every pod of the control plane: admitted where Pod Security is `restricted`, from images that say what they are."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sympozium_core.installation.options import Options
from tests.installation.conftest import USUAL, of_kind, pod_templates
from tests.installation.pod_security import violations


def test_every_pod_is_admitted_as_restricted(objects: Sequence[dict[str, Any]]) -> None:
    found = pod_templates(objects)
    assert len(found) >= 4
    assert {name: violations(pod) for name, pod in found.items() if violations(pod)} == {}


def _without_seccomp(pod: dict[str, Any]) -> None:
    del pod["securityContext"]["seccompProfile"]


def _with_host_path(pod: dict[str, Any]) -> None:
    pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}})


def _escalating(pod: dict[str, Any]) -> None:
    pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")


def _as_root(pod: dict[str, Any]) -> None:
    pod["containers"][0]["securityContext"]["runAsUser"] = 0


def _able(pod: dict[str, Any]) -> None:
    pod["containers"][0]["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]


def _running_probes(pod: dict[str, Any]) -> None:
    pod["containers"][0]["livenessProbe"] = {"exec": {"command": ["python3"]}}


def _limitless(pod: dict[str, Any]) -> None:
    del pod["containers"][0]["resources"]["limits"]["memory"]


@pytest.mark.parametrize(
    "spoil", [_without_seccomp, _with_host_path, _escalating, _as_root, _able, _running_probes, _limitless]
)
def test_the_check_itself_finds_what_it_is_for(spoil: Callable[[dict[str, Any]], None]) -> None:
    from sympozium_core.installation import render

    pod = copy.deepcopy(pod_templates(render.everything(USUAL))["sympozium-gateway"])
    spoil(pod)
    assert len(violations(pod)) == 1


def test_images_have_a_version(objects: Sequence[dict[str, Any]]) -> None:
    images = {container["image"] for pod in pod_templates(objects).values() for container in pod["containers"]}
    assert images
    assert [image for image in images if not re.search(r":[0-9][^/:]*$", image)] == []


def test_pull_secrets_and_policy_reach_every_pod(options: Options, objects: Sequence[dict[str, Any]]) -> None:
    for pod in pod_templates(objects).values():
        assert tuple(each["name"] for each in pod.get("imagePullSecrets", ())) == options.images.pull_secrets
        assert {container["imagePullPolicy"] for container in pod["containers"]} == {options.images.pull_policy}


def test_what_serves_is_probed_by_the_kubelet_alone(objects: Sequence[dict[str, Any]]) -> None:
    served = {**of_kind(objects, "Deployment"), **of_kind(objects, "StatefulSet")}
    for obj in served.values():
        (container,) = obj["spec"]["template"]["spec"]["containers"]
        ports = {port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


def test_every_mount_has_its_volume_and_no_pod_sees_a_key_that_it_does_not_use(objects: Sequence[dict[str, Any]]) -> None:
    seen = {}
    for name, pod in pod_templates(objects).items():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claims = {"data"} if name == "sympozium-nats" else set()
        assert {
            mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]
        } == volumes.keys() | claims
        secrets = [volume["secret"] for volume in volumes.values() if "secret" in volume]
        seen[name] = {item["key"] for secret in secrets for item in secret["items"]}
    assert {"account-signing.seed", "system.seed", "controller.seed"} <= seen["sympozium-controller"]
    assert not {"tls.key", "gateway.seed"} & seen["sympozium-controller"]
    assert seen["sympozium-gateway"] - {"ca.crt"} == {"gateway.seed"}
    assert seen["sympozium-webhook"] == {"tls.crt", "tls.key"}
    assert not any(key.endswith(".seed") for key in seen.get("sympozium-nats", ()))


def test_selectors_find_the_pods_and_nobody_elses(objects: Sequence[dict[str, Any]]) -> None:
    owners = [*of_kind(objects, "Deployment").values(), *of_kind(objects, "StatefulSet").values()]
    for owner in owners:
        wanted = owner["spec"]["selector"]["matchLabels"].items()
        finds = [
            other["metadata"]["name"] for other in owners if wanted <= other["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert finds == [owner["metadata"]["name"]]
    for kind in ("Service", "PodDisruptionBudget"):
        for name, obj in of_kind(objects, kind).items():
            selector = obj["spec"]["selector"]
            wanted = selector.get("matchLabels", selector).items()
            assert [o for o in owners if wanted <= o["spec"]["template"]["metadata"]["labels"].items()], f"{kind} {name}"


def test_services_lead_to_ports_that_are_there(objects: Sequence[dict[str, Any]]) -> None:
    named = {port["name"] for pod in pod_templates(objects).values() for c in pod["containers"] for port in c["ports"]}
    for service in of_kind(objects, "Service").values():
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
