"""A tool server in a run's pod, called without its bridge: on its volume, as the user that it runs as. So every tool can be tried with the very
rights that a run has, in some tenths of a second each."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.kubectl import Kubectl

_CALL = """
import json, os, sys, time
folder, request = "/ipc/tools/" + sys.argv[1], json.loads(sys.argv[2])
hidden = f"{folder}/requests/.{request['id']}.tmp"
with open(hidden, "w") as file:
    json.dump(request, file)
os.rename(hidden, f"{folder}/requests/{request['id']}.json")
result, end = f"{folder}/results/{request['id']}.json", time.monotonic() + 60
while not os.path.exists(result):
    if time.monotonic() > end:
        sys.exit("no result within 60 s")
    time.sleep(0.02)
with open(result) as file:
    print(file.read())
"""


@dataclass(frozen=True)
class Sidecar:
    here: Kubectl
    pod: str
    skill: str

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        request = json.dumps({"id": f"test-{secrets.token_hex(4)}", "tool": tool, "arguments": arguments})
        said = self("python3", "-c", _CALL, self.skill, request)
        found: dict[str, Any] = json.loads(said)
        return found

    def done(self, tool: str, **arguments: Any) -> str:
        """What it gave, when all was well."""
        result = self.call(tool, **arguments)
        assert result["status"] == "ok", f"{tool} {arguments}: {result['content']}"
        return str(result["content"])

    def refused(self, tool: str, **arguments: Any) -> str:
        result = self.call(tool, **arguments)
        assert result["status"] == "error", f"{tool} {arguments} was not refused: {result['content']}"
        return str(result["content"])

    def tools(self) -> set[str]:
        manifest = json.loads(self("cat", f"/ipc/tools/{self.skill}/manifest.json"))
        return {tool["name"] for tool in manifest["tools"]}

    def __call__(self, *command: str) -> str:
        return self.here("exec", self.pod, "-c", f"skill-{self.skill}", "--", *command)
