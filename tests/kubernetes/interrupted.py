"""Runs that are under way when a part of the cluster fails, and what must be true of each of them afterwards."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.testing.conversations import command, results
from sympozium_core.testing.servers.script import Answer, Conversation, Script
from tests.kubernetes import runs
from tests.kubernetes.installed import HOME
from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.runs import Model

APPEND = "echo one >> /workspace/lines; echo appended"
HELD = "echo one >> /workspace/lines; until [ -e /workspace/go ]; do sleep 0.1; done; echo appended"
COUNT = "cat /workspace/lines; true"
ANSWER = "Finished."
SLOW = " ".join(["word"] * 48)
DELAY = 0.1
"""Seconds between words of a slow answer."""
LAST_WORD = threading.Event()
"""Slow answers stay open until this is set, however long a test takes for what it interrupts them with."""
STREAMS, HOLDS, LINGERS = "streams", "holds", "lingers"
"""Names of the runs: the first answer comes slowly; the first tool call waits for a file; the last answer comes slowly."""
UNKNOWN = "Outcome unknown: "
"""How a result begins that tells the model of a call which may have happened."""
CANCELLED = "Error: [The command was cancelled.]"
SYSTEM = "app.kubernetes.io/component"
READ_JOURNALS = """
import asyncio, json, sys
from dataclasses import replace
from sympozium_core.bus.journal import read_entries
from sympozium_core.processes.control_bus import connect_bus
from sympozium_core.settings import ControllerProcessSettings

async def main():
    settings = ControllerProcessSettings.from_environment()
    own = settings.bus.ca_file or settings.data_dir / "bus-ca.crt"
    bus = await connect_bus(replace(settings.bus, ca_file=own))
    for uid in sys.argv[1:]:
        entries = [{"source": found.source, **found.entry, "messages": None} async for found in read_entries(bus, uid)]
        print(json.dumps(entries))
    await bus.close()

asyncio.run(main())
"""


def script() -> Script:
    """Each conversation appends a line, counts the lines, and ends."""
    appends, counts = Answer("I append.", (command(APPEND),)), Answer("", (command(COUNT),))
    end = Answer(ANSWER)
    return Script(
        (
            Conversation((Answer(SLOW, (command(APPEND),), delay=DELAY, until=LAST_WORD.is_set), counts, end), STREAMS),
            Conversation((Answer("I append.", (command(HELD, timeout=100),)), counts, end), HOLDS),
            Conversation((appends, counts, Answer(SLOW, delay=DELAY, until=LAST_WORD.is_set)), LINGERS),
            Conversation((appends, counts, end)),
        )
    )


@dataclass(frozen=True)
class Interrupted:
    """Three runs in a namespace of their own, each in another step; the model talks to runs of this namespace's test alone while it lasts."""

    here: Kubectl
    model: Model

    names = (STREAMS, HOLDS, LINGERS)

    def begin(self) -> None:
        """Returns when each is in its step."""
        LAST_WORD.clear()
        self.model.server.requests.clear()
        self.here.apply(*(runs.run(name, f"one that {name}", timeout="4m") for name in self.names))
        eventually(lambda: self.asked(HOLDS)[0] == 1, "the run that holds was asked", 60)
        self.here("exec", runs.pod_of(self.here, HOLDS), "-c", "skill-shell", "--", "sh", "-c", _until("/workspace/lines"))
        eventually(lambda: self.asked(LINGERS)[2] == 1, "the last answer comes", 60)
        self.still_under_way()

    def still_under_way(self) -> None:
        """A first and a last answer of the model are coming, and the tool call has no result."""
        assert self.asked(HOLDS).keys() == {0}, "the tool call is under way"
        assert self.asked(STREAMS).keys() == {0}, "the first answer is under way"
        assert not runs.status(self.here, LINGERS).get("completedAt"), "the last answer is under way"

    def go_on(self) -> None:
        """Lets the answers come to their end, and the tool call of whatever pod the run has now."""
        LAST_WORD.set()
        self.here("exec", runs.pod_of(self.here, HOLDS), "-c", "skill-shell", "--", "touch", "/workspace/go")

    def asked(self, name: str) -> Counter[int]:
        """How often each turn of a run was asked for, by its number from 0."""
        found: Counter[int] = Counter()
        for seen in list(self.model.server.requests):
            messages = seen.body["messages"]
            task = next(str(message["content"]) for message in messages if message["role"] == "user")
            if f"one that {name}" in task:
                found[sum(message["role"] == "assistant" for message in messages)] += 1
        return found

    def told(self, name: str) -> list[str]:
        """The results of tools in the newest request of a run, oldest first."""
        newest = [seen for seen in self.model.server.requests if f"one that {name}" in json.dumps(seen.body["messages"])]
        return results(newest[-1])

    def all_succeed(self, *, attempts: int = 1, within: float = 120) -> None:
        """Each run ends, once, well and clean; nothing was done twice in silence. `attempts`: how many pods a run may have had."""
        LAST_WORD.set()
        for name in self.names:
            self.until_ended(name, within)
            status = runs.status(self.here, name)
            assert (status["phase"], status["reason"]) == ("Succeeded", "Completed"), self.story(name)
        for name in self.names:
            self.is_sound(name, runs.until_cleaned(self.here, name), attempts)
        self.nothing_left()

    def until_ended(self, name: str, within: float) -> None:
        try:
            eventually(lambda: bool(runs.status(self.here, name).get("completedAt")), f"{name} has ended", within)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.story(name)}") from None

    def story(self, name: str) -> str:
        """For a failure's message."""
        return f"{runs.status(self.here, name)}\n{told_of(journals(self.here, name)[0])}"

    def is_sound(self, name: str, status: Mapping[str, Any], attempts: int) -> None:
        assert status["attempt"] <= attempts, status
        assert status["result"].strip() == (SLOW if name == LINGERS else ANSWER)
        [journal] = journals(self.here, name)
        story = told_of(journal)
        kinds = Counter(entry["type"] for entry in journal)
        assert (kinds["result"], kinds["ended"]) == (1, 1), f"{name} has one result and ends once\n{story}"
        answers = [entry for entry in journal if entry["type"] == "model.answer" and not entry["replayed"]]
        assert len({entry["call"] for entry in answers}) == len(answers) == 3, (
            f"each answer of {name} is recorded once\n{story}"
        )
        asked, on_record = self.asked(name), _requests_by_turn(journal)
        assert asked.keys() == {0, 1, 2}, story
        for turn, count in asked.items():
            assert count <= on_record[turn], (
                f"turn {turn} of {name} was asked {count} times; while it was open {on_record}\n{story}"
            )
        calls = [entry["call"] for entry in journal if entry["type"] == "tool.requested"]
        assert len(set(calls)) == len(calls) == 2, f"each tool call of {name} is carried out once\n{story}"
        if status["attempt"] == 1:
            assert self.told(name) == ["appended\n", "one\n"], f"{name} appended once\n{story}"

    def nothing_left(self) -> None:
        eventually(lambda: not self.here.get("pods,jobs")["items"], "no pod and no Job is left", 60)


def journals(here: Kubectl, *names: str) -> list[list[dict[str, Any]]]:
    """The entries of runs' journals, as the control plane reads them."""
    uids = [here.get("agentrun", name)["metadata"]["uid"] for name in names]
    system = here.within(HOME)
    said = system("exec", "-i", "deploy/sympozium-controller", "--", "python3", "-P", "-", *uids, stdin=READ_JOURNALS)
    return [json.loads(line) for line in said.splitlines()]


def _requests_by_turn(journal: list[dict[str, Any]]) -> Counter[int]:
    """How often the model was asked while the answer of each turn was not on record yet."""
    found: Counter[int] = Counter()
    turn = 0
    for entry in journal:
        found[turn] += entry["type"] in ("model.request", "model.error")
        turn += entry["type"] == "model.answer" and not entry["replayed"]
    return found


def told_of(journal: list[dict[str, Any]]) -> str:
    return "\n".join(str({key: value for key, value in entry.items() if value})[:240] for entry in journal)


def _until(path: str) -> str:
    return f"until [ -e {path} ]; do sleep 0.1; done"


@dataclass(frozen=True)
class ControlPlane:
    """The processes of an installed Sympozium, as their node sees them."""

    system: Kubectl

    def pods(self, component: str) -> list[dict[str, Any]]:
        found = self.system.get("pods", "-l", f"{SYSTEM}={component}", "--field-selector=status.phase=Running")["items"]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def leader(self) -> str:
        """The name of the pod that leads."""
        lease = self.system.get("lease", "sympozium-controller")
        return str(lease["spec"].get("holderIdentity") or "").rpartition("-")[0]

    def kill(self, pod: Mapping[str, Any]) -> None:
        """`kill -9` of the program in a pod's container."""
        for pid in _processes(str(pod["metadata"]["uid"])):
            os.kill(pid, signal.SIGKILL)

    def whole(self) -> None:
        """Returns when every part is ready again, and somebody leads."""
        for kind in ("deployment/sympozium-controller", "deployment/sympozium-gateway", "deployment/sympozium-webhook"):
            self.system("rollout", "status", kind, "--timeout=120s")
        self.system("rollout", "status", "statefulset/sympozium-nats", "--timeout=120s")
        eventually(lambda: self.leader() in {pod["metadata"]["name"] for pod in self.pods("controller")}, "somebody leads", 60)


def _processes(pod_uid: str) -> list[int]:
    """Of a pod, but for the one that only holds its namespaces. Raises AssertionError when it has none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            inside = f"/pod{pod_uid}/" in (folder / "cgroup").read_text()
            program = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if inside and not program.endswith(b"pause"):
            found.append(int(folder.name))
    assert found, f"pod {pod_uid} has no process"
    return found


def refused_until(create: Callable[[], Any], within: float) -> list[str]:
    """What was said each time that a call was refused, until it was not."""
    said: list[str] = []

    def done() -> bool:
        try:
            create()
        except AssertionError as refusal:
            said.append(str(refusal))
            return False
        return True

    eventually(done, f"it is accepted; last: {said[-1:]}", within)
    return said
