"""The whole of an installation."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core import names
from sympozium_core.errors import Refused
from sympozium_core.installation import bootstrap, inventory, render
from sympozium_core.installation.inventory import Entry
from sympozium_core.installation.options import Images, Options, check
from sympozium_core.installer import kinds
from tests.installation.conftest import SHAPES, USUAL, of_kind


def test_every_object_is_one_of_a_known_kind_and_says_whose_it_is(options: Options, objects: Sequence[dict[str, Any]]) -> None:
    entries = [Entry.of(obj) for obj in objects]
    assert len(set(entries)) == len(entries)
    for obj in objects:
        kind = kinds.of(obj)
        assert bool(obj["metadata"].get("namespace")) is kind.namespaced
        labels = obj["metadata"]["labels"]
        assert labels[names.LABEL_PART_OF] == labels[names.LABEL_MANAGED_BY] == "sympozium"
        assert labels["app.kubernetes.io/version"] == options.version


def test_what_is_needed_comes_first(objects: Sequence[dict[str, Any]]) -> None:
    order = [obj["kind"] for obj in objects]
    assert order[0] == "Namespace"
    assert order[-1] == "ConfigMap"
    assert max(i for i, kind in enumerate(order) if kind == "CustomResourceDefinition") < order.index("ServiceAccount")
    assert max(i for i, kind in enumerate(order) if kind.endswith("Binding")) > order.index("ServiceAccount")
    assert order.index("Job") < order.index("Deployment")
    assert order.index("Deployment") < order.index("ValidatingWebhookConfiguration")


def test_it_is_the_same_each_time() -> None:
    assert render.everything(USUAL) == render.everything(USUAL)


def test_no_secret_is_in_it(objects: Sequence[dict[str, Any]]) -> None:
    assert "Secret" not in {obj["kind"] for obj in objects}
    assert not re.search("S[UA][A-Z2-7]{56}", str(objects))


def test_a_bus_of_the_operators_own_leaves_ours_out() -> None:
    objects = render.everything(SHAPES["own-bus-and-authority"])
    assert not of_kind(objects, "StatefulSet")
    assert "sympozium-nats" not in of_kind(objects, "Service")
    (container,) = of_kind(objects, "Deployment")["sympozium-gateway"]["spec"]["template"]["spec"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env[names.ENV_BUS_ADDRESS] == "tls://nats.example.com"
    assert env[names.ENV_BUS_CA_FILE] == "/etc/sympozium/bus/ca.crt"


@pytest.mark.parametrize(("name", "most"), [("sympozium-gateway", 10), ("sympozium-webhook", 6)])
def test_what_is_autoscaled_has_no_number_of_its_own(name: str, most: int) -> None:
    usual, small = render.everything(USUAL), render.everything(SHAPES["small"])
    assert "replicas" not in of_kind(usual, "Deployment")[name]["spec"]
    scaler = of_kind(usual, "HorizontalPodAutoscaler")[name]["spec"]
    assert (scaler["scaleTargetRef"]["name"], scaler["minReplicas"], scaler["maxReplicas"]) == (name, 2, most)
    assert of_kind(small, "Deployment")[name]["spec"]["replicas"] == 1
    assert not of_kind(small, "HorizontalPodAutoscaler")


def test_the_controller_is_not_autoscaled_and_every_part_has_a_budget() -> None:
    usual = render.everything(USUAL)
    assert of_kind(usual, "Deployment")["sympozium-controller"]["spec"]["replicas"] == 2
    assert of_kind(usual, "HorizontalPodAutoscaler").keys() == {"sympozium-gateway", "sympozium-webhook"}
    makers = {**of_kind(usual, "Deployment"), **of_kind(usual, "StatefulSet")}
    assert of_kind(usual, "PodDisruptionBudget").keys() == makers.keys()


def test_a_job_that_does_something_else_has_another_name() -> None:
    other = replace(USUAL, images=replace(USUAL.images, control_plane="example.com/other:1"))
    assert bootstrap.job(USUAL)["metadata"]["name"] != bootstrap.job(other)["metadata"]["name"]
    assert len(bootstrap.job(USUAL)["metadata"]["name"]) <= 63


def test_a_new_configuration_restarts_the_bus() -> None:
    def annotations(options: Options) -> Any:
        return of_kind(render.everything(options), "StatefulSet")["sympozium-nats"]["spec"]["template"]["metadata"][
            "annotations"
        ]

    assert annotations(USUAL) != annotations(replace(USUAL, nats_sync_always=True))


class TestInventory:
    def test_it_tells_everything_again(self, options: Options, objects: Sequence[dict[str, Any]]) -> None:
        found = objects[-1]
        assert inventory.version_of(found) == options.version
        assert inventory.entries_of(found) == [Entry.of(obj) for obj in objects]
        assert inventory.options_of(found) == options

    def test_what_a_later_version_wrote_is_left_alone(self) -> None:
        assert inventory.options_of({"data": {"options": "{}"}}) is None
        assert inventory.options_of({"data": {"options": "["}}) is None
        assert inventory.options_of({}) is None
        assert inventory.entries_of({"data": {"objects": "v1 ConfigMap a b\nnonsense\n"}}) == [
            Entry("v1", "ConfigMap", "a", "b")
        ]

    def test_what_is_about_to_be_made_is_added_to_it(self, options: Options, objects: Sequence[dict[str, Any]]) -> None:
        found = {**objects[-1], "metadata": {**objects[-1]["metadata"], "resourceVersion": "7", "managedFields": []}}
        new = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "new", "namespace": "n"}}
        announced = inventory.with_objects(found, [*objects[:3], new])
        assert inventory.entries_of(announced) == [*map(Entry.of, objects), Entry("batch/v1", "Job", "n", "new")]
        assert (inventory.version_of(announced), inventory.options_of(announced)) == (options.version, options)
        assert announced["metadata"] == objects[-1]["metadata"]
        assert inventory.with_objects(announced, [new])["data"] == announced["data"]

    def test_what_is_needed_no_more(self) -> None:
        old = [Entry("v1", "Namespace", "", "n"), Entry("v1", "ConfigMap", "n", "gone"), Entry("v1", "ConfigMap", "n", "kept")]
        new = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "n"}}]
        assert [entry.name for entry in inventory.beyond(old, new)] == ["gone", "n"]


GOOD = Images("a/b:1", "a/b:1", "host:5000/b:1", "b@sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"images": replace(GOOD, runner="a/b:latest")}, "images.runner"),
        ({"images": replace(GOOD, runner="host:5000/b")}, "images.runner"),
        ({"images": replace(GOOD, nats="a b")}, "images.nats"),
        ({"images": replace(GOOD, pull_policy="Sometimes")}, "images.pull_policy"),
        ({"controller_replicas": 0}, "controller_replicas"),
        ({"gateway_max_replicas": 1}, "gateway_max_replicas"),
        ({"webhook_replicas": 9}, "webhook_max_replicas"),
        ({"nats_storage": "lots"}, "nats_storage"),
        ({"nats_storage": "5Gi"}, "nats_storage"),
        ({"nats_url": "http://nats"}, "nats_url"),
        ({"api_server_ports": (70000,)}, "api_server_ports"),
    ],
)
def test_options_that_cannot_be(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        check(replace(Options("1", GOOD), **change))
    assert [cause.field for cause in refused.value.causes] == [field]


def test_options_that_can_be(options: Options) -> None:
    check(options)
    check(Options("1", GOOD))


def test_it_needs_no_client_of_a_cluster() -> None:
    heavy = "kubernetes", "aiohttp", "nats", "apsw"
    code = f"import sys, sympozium_core.installation.render; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
