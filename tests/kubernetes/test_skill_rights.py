"""A skill with rights of its own: what its sidecar can do with the API server while the run lasts, and after it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import images, runs
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

ENDLESS = {"conversations": [{"turns": [{"fault": {"kind": "silence"}}]}]}
PACK = {
    "apiVersion": "sympozium.ai/v1alpha1",
    "kind": "SkillPack",
    "metadata": {"name": "look"},
    "spec": {
        "skills": [{"name": "look", "content": "Look at pods."}],
        "sidecar": {
            "image": images.image("skill"),
            "command": ["python3", "-m", "sympozium_skill_shell"],
            "rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
        },
    },
}
CALL_API = """
import json, ssl, sys, urllib.request
where = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=where + "ca.crt")
found = {}
for path in json.loads(sys.argv[1]):
    request = urllib.request.Request("https://10.96.0.1" + path, headers={"Authorization": "Bearer " + open(where + "token").read()})
    try:
        found[path] = urllib.request.urlopen(request, context=context, timeout=5).status
    except urllib.error.HTTPError as error:
        found[path] = error.code
    except Exception as error:
        found[path] = str(error)
print(json.dumps(found))
"""
REFUSED_WITHIN = 10.0
"""Seconds after which the API server takes a token for what it is: until then it may remember an earlier answer."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with runs.serve_model(from_data(ENDLESS)) as served:
        yield served


def test_a_skill_can_do_what_it_declares_and_nothing_else(
    here: Kubectl, namespace: str, model: Model, sympozium: object
) -> None:
    runs.furnish(here, model, skills=["look"])
    here.apply(PACK)
    here.apply(runs.run("looker", "wait"))
    pod = runs.pod_of(here, "looker")
    look = ("exec", pod, "-c", "skill-look", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    eventually(lambda: here.call(*look).returncode == 0, "the sidecar has its token")
    paths = {
        f"/api/v1/namespaces/{namespace}/pods": 200,
        f"/api/v1/namespaces/{namespace}/secrets": 403,
        f"/api/v1/namespaces/{namespace}/configmaps": 403,
        "/api/v1/namespaces/default/pods": 403,
        "/api/v1/pods": 403,
        "/api/v1/nodes": 403,
        f"/apis/sympozium.ai/v1alpha1/namespaces/{namespace}/agentruns": 403,
    }
    said = here("exec", "-i", pod, "-c", "skill-look", "--", "python3", "-", json.dumps(list(paths)), stdin=CALL_API)
    assert json.loads(said) == paths
    agent = here.refused("exec", pod, "-c", "agent", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    assert "No such file" in agent
    token = here(*look)
    here("patch", "agentrun", "looker", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    runs.until_phase(here, "looker", "Cancelled", within=30)
    ended = time.monotonic()
    as_skill = here.with_token(token, Path(f"/tmp/{namespace}.kubeconfig"))
    try:
        asked, said = time.monotonic(), as_skill.refused("get", "pods")  # the rights are gone, at the latest now
        while "Unauthorized" not in said:
            assert asked - ended < REFUSED_WITHIN, said
            asked, said = time.monotonic(), as_skill.refused("get", "pods")
    finally:
        as_skill.kubeconfig.unlink()
