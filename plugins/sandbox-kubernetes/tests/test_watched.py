"""The view of the watch: whose Pods count, what is remembered of them, and how one waits for an end."""

from __future__ import annotations

import asyncio
from typing import Any

from sympozium_sandbox_kubernetes.watched import Place, Watched

HERE = Place("team-a", "run-1")


def pod(
    name: str = "run-1-abcde", *, owner: str = "run-1", namespace: str = "team-a", at: str = "1", code: int | None = None
) -> dict[str, Any]:
    owners = [{"kind": "Job", "name": owner, "controller": True}] if owner else []
    meta = {"name": name, "namespace": namespace, "labels": {"sympozium.ai/pod": "run-1"}, "ownerReferences": owners}
    state = {"running": {}} if code is None else {"terminated": {"exitCode": code, "finishedAt": at}}
    return {
        "metadata": {**meta, "creationTimestamp": at},
        "spec": {"nodeName": "n", "containers": [{"name": "agent"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "agent", "restartCount": 0, "state": state}]},
    }  # fmt: skip


def make() -> tuple[Watched, list[Place]]:
    told: list[Place] = []
    return Watched(told.append), told


def test_only_what_means_something_is_told() -> None:
    watched, told = make()
    first, again = pod(), pod()
    again["metadata"]["resourceVersion"] = "2"
    watched.told(None, first)
    watched.told(first, again)
    assert told == [HERE]
    watched.told(again, pod(code=3))
    watched.told(pod(code=3), None)
    assert told == [HERE] * 3


def test_a_pod_that_only_bears_the_label_is_nobodys() -> None:
    watched, told = make()
    for stranger in (pod(owner=""), pod(owner="other")):
        watched.told(None, stranger)
    assert watched.status(HERE) is None
    assert told == []
    watched.told(None, pod(namespace="team-b", code=9))
    assert watched.status(HERE) is None


def test_of_two_pods_the_first_counts() -> None:
    watched, _ = make()
    watched.told(None, pod(at="1"))
    watched.told(None, pod("run-1-later", at="2", code=9))
    status = watched.status(HERE)
    assert status is not None
    assert status.state == "running"
    watched.told(pod("run-1-later", at="2", code=9), None)
    status = watched.status(HERE)
    assert status is not None
    assert status.state == "running"


def test_a_pod_that_lost_its_job_is_followed_to_its_end() -> None:
    watched, _ = make()
    watched.told(None, pod())
    watched.told(pod(), pod(owner=""))
    watched.told(pod(owner=""), None)
    status = watched.status(HERE)
    assert status is not None
    assert (status.state, status.lost) == ("ended", True)


def test_the_first_end_of_a_sidecar_stays() -> None:
    watched, _ = make()

    def with_bridge(restarts: int, code: int) -> dict[str, Any]:
        found = pod()
        found["spec"]["initContainers"] = [{"name": "bridge"}]
        ended = {"terminated": {"exitCode": code, "finishedAt": "5"}}
        found["status"]["initContainerStatuses"] = [{"name": "bridge", "restartCount": restarts, "state": ended}]
        return found

    watched.told(None, with_bridge(0, 1))
    watched.told(with_bridge(0, 1), with_bridge(1, 4))
    status = watched.status(HERE)
    assert status is not None
    assert status.containers["bridge"].exit_code == 1
    assert list(status.containers) == ["bridge", "agent"]


def test_what_we_end_is_not_lost() -> None:
    watched, _ = make()
    watched.told(None, pod())
    watched.claim(HERE)
    watched.told(pod(), None)
    status = watched.status(HERE)
    assert status is not None
    assert (status.state, status.lost) == ("ended", False)
    watched.forget(HERE)
    assert watched.status(HERE) is None


async def test_waits_for_an_end() -> None:
    watched, _ = make()
    assert await watched.until_ended(HERE, 0)
    watched.told(None, pod())
    assert not await watched.until_ended(HERE, 0.01)
    waiting = asyncio.create_task(watched.until_ended(HERE, 10))
    await asyncio.sleep(0)
    watched.told(pod(), pod())
    watched.told(pod(), pod(code=0))
    assert await waiting
