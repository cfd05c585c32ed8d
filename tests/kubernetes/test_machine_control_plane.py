"""The control plane that the other tests rely on is a real one: it admits, refuses, controls and collects."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.build import KUBERNETES
from tests.kubernetes.machine.images import BUSYBOX
from tests.kubernetes.manifests import Object, container, job, pod, pod_spec

RULE = {"rule": "self.task == oldSelf.task", "message": "task is immutable"}
SCHEMA: Object = {
    "type": "object",
    "properties": {
        "spec": {
            **{"type": "object", "required": ["task"], "x-kubernetes-validations": [RULE]},
            "properties": {"task": {"type": "string"}, "budget": {"type": "integer", "minimum": 1, "default": 10}},
        }
    },
}


@pytest.fixture
def group(kubectl: Kubectl) -> Iterator[str]:
    """The API group of a resource of the test's own."""
    group = f"g{secrets.token_hex(4)}.example.com"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    names = {"kind": "Thing", "plural": "things", "singular": "thing"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"things.{group}"}}
    kubectl.apply({**crd, "spec": spec})
    kubectl.wait("condition=Established", f"crd/things.{group}")
    yield group
    kubectl("delete", f"crd/things.{group}", "--wait=false")


def thing(group: str, name: str, **spec: object) -> Object:
    return {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def test_it_is_the_version_that_was_built(kubectl: Kubectl) -> None:
    assert json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"] == KUBERNETES


def test_a_resource_of_our_own_is_held_to_its_schema_and_rules(here: Kubectl, group: str) -> None:
    here.apply(thing(group, "one", task="hello"))
    assert here.get(f"things.{group}", "one")["spec"] == {"task": "hello", "budget": 10}
    assert "greater than or equal to 1" in here.apply_refused(thing(group, "two", task="hello", budget=0))
    assert "task is immutable" in here.apply_refused(thing(group, "one", task="other"))


def test_an_admission_policy_refuses(here: Kubectl, kubectl: Kubectl, group: str) -> None:
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": group}}
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}]
    check = {"expression": "object.spec.budget <= 100", "message": "above 100"}
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "validations": [check]}
    binding = {"policyName": group, "validationActions": ["Deny"]}
    kubectl.apply({**kind, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    kubectl.apply({**kind, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    try:
        dear = json.dumps(thing(group, "dear", task="x", budget=101))
        probe = ("create", "--dry-run=server", "-f", "-")
        eventually(lambda: bool(here.call(*probe, stdin=dear).returncode), "the policy is in force")
        assert "above 100" in here.refused(*probe, stdin=dear)
        here.apply(thing(group, "cheap", task="x", budget=100))
    finally:
        kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", group)


def test_a_service_account_may_what_it_was_given(here: Kubectl, namespace: str, tmp_path: Path) -> None:
    here("create", "serviceaccount", "alice")
    here("create", "role", "reader", "--verb=get,list", "--resource=pods")
    here("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:alice")
    alice = here.with_token(here("create", "token", "alice").strip(), tmp_path / "alice")
    eventually(lambda: alice.call("get", "pods").returncode == 0, "the binding is in force")
    assert "forbidden" in alice.refused("get", "secrets")
    assert "forbidden" in alice.refused("create", "configmap", "x")
    nobody = here.with_token("wrong", tmp_path / "nobody")
    assert "must be logged in" in nobody.refused("get", "pods")


def test_a_job_gets_its_pod_and_a_child_goes_with_its_owner(here: Kubectl, group: str) -> None:
    here.apply(thing(group, "owner", task="x"), job("j", pod_spec(container(BUSYBOX, ["true"]), nodeSelector={"no": "node"})))
    eventually(lambda: bool(here.get("pods", "-l", "job-name=j")["items"]), "the Job has a Pod")
    [made] = here.get("pods", "-l", "job-name=j")["items"]
    assert [owner["kind"] for owner in made["metadata"]["ownerReferences"]] == ["Job"]
    uid = here.get(f"things.{group}", "owner")["metadata"]["uid"]
    owners = [{"apiVersion": f"{group}/v1", "kind": "Thing", "name": "owner", "uid": uid}]
    here.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": owners}})
    here("delete", f"things.{group}", "owner")
    here.wait("delete", "configmap/child")


def test_pod_security_restricted_refuses_a_privileged_pod(here: Kubectl, kubectl: Kubectl, namespace: str) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    free = pod("free", {"containers": [{"name": "main", "image": BUSYBOX}]})
    assert "violates PodSecurity" in here.apply_refused(free)
    here.apply(pod("bound", pod_spec(container(BUSYBOX, ["true"]), nodeSelector={"no": "node"})))
