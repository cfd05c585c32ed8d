"""The tool server of the original's sidecar images, as their protocol is described: polls, claims by a directory, answers once, ends by `done`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def normal(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("skill-")


def answer(tools: Path, request: dict[str, object]) -> None:
    argv = request.get("argv") or ["bash", "-c", request["command"]]
    seconds = min(float(str(request.get("timeout") or 30)), 120)
    try:
        directory = str(request.get("workDir") or "/")
        done = subprocess.run(
            list(map(str, argv)),  # type: ignore[call-overload]  # a list
            cwd=directory if os.path.isdir(directory) else "/",
            input=str(request.get("stdin") or ""),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        result = {"exitCode": done.returncode, "stdout": done.stdout[:50000], "stderr": done.stderr[:50000], "timedOut": False}
    except subprocess.TimeoutExpired:
        result = {"exitCode": 124, "stdout": "", "stderr": "", "timedOut": True}
    file = tools / f"exec-result-{request['id']}.json"
    file.with_suffix(".tmp").write_text(json.dumps({"id": request["id"], **result}))
    file.with_suffix(".tmp").rename(file)


def main(ipc: Path, pack: str) -> None:
    tools = ipc / "tools"
    while not (ipc / "done").exists():
        for file in sorted(tools.glob("exec-request-*.json")) if tools.exists() else []:
            request = json.loads(file.read_text())
            if request.get("target") and normal(str(request["target"])) != normal(pack):
                continue
            try:
                (tools / f".claim-{request['id']}").mkdir()
            except FileExistsError:
                continue
            answer(tools, request)
        time.sleep(0.2)


if __name__ == "__main__":
    main(Path(os.environ["SYMPOZIUM_IPC"]), sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SKILL_PACK", ""))
