"""A tool server that uses nothing of Sympozium, and can be broken in one way: ``plain_server.py NAME [BREAK]``.

The suite of tool servers passes it as it is; each break has to be found by a check of its own (`test_tool_server_bites.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

NAME, BREAK = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
IPC, WORKSPACE = os.environ["SYMPOZIUM_IPC"], os.environ["SYMPOZIUM_WORKSPACE"]
HERE = f"{IPC}/tools/{NAME}"
WHOLE, LIMIT = 1_000_000, 100_000
"""Characters up to which a content is whole, and of one that is longer."""
TOOLS = {
    "echo": ({"text": {"type": "string"}}, "Give a text back."),
    "count": ({"word": {"type": "string"}}, "Add a word to the file counted."),
    "wait": ({"seconds": {"type": "number"}}, "Wait for so many seconds."),
    "flood": ({"size": {"type": "integer"}}, "Give so many characters."),
}
seen: set[str] = set()
cancelled: set[str] = set()
running: dict[str, subprocess.Popen[bytes]] = {}
stopping = threading.Event()
ending = threading.Lock()
"""Nothing is started once it is held for good."""


def broken(*ways: str) -> bool:
    return BREAK in ways


def put(path: str, data: str, *, in_place: bool = False) -> None:
    if in_place:
        with open(path, "w", encoding="utf-8") as file:
            file.write(data)
        return
    hidden = f"{os.path.dirname(path)}/.{threading.get_ident()}-{os.path.basename(path)}"
    with open(hidden, "w", encoding="utf-8") as file:
        file.write(data)
    os.replace(hidden, path)
    if broken("leaves-half"):
        with open(hidden, "w", encoding="utf-8") as file:
            file.write(data)


def manifest() -> str:
    tools = []
    for name, (properties, description) in TOOLS.items():
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        if broken("schema-not-object"):
            schema = {"properties": properties, "required": list(properties)}
        if broken("schema-wrong"):
            schema["required"] = "text"
        if broken("requires-unknown"):
            schema["required"] = [*properties, "other"]
        if broken("schema-long"):
            schema["description"] = "x" * 40_000
        shown = (
            "read_file"
            if broken("name-taken") and name == "echo"
            else name.replace("o", ".")
            if broken("name-dotted")
            else name
        )
        tools.append({"name": shown, "description": "" if broken("no-description") else description, "parameters": schema})
    if broken("no-tools"):
        tools = []
    document = {"version": 1, "tools": tools}
    if broken("manifest-shape"):
        document["version"] = True
    return json.dumps(document)


def answer(call: str, status: str, content: str, **more: object) -> None:
    result = {"id": "other" if broken("wrong-id") else call, "status": status, "content": content, **more}
    if broken("wrong-status"):
        result["status"] = "done"
    if broken("wrong-shape"):
        result["artifacts"] = "none"
    put(f"{HERE}/results/{call}.json", json.dumps(result), in_place=broken("result-in-place"))


def work(call: str, path: str) -> None:
    try:
        with open(path, encoding="latin-1" if broken("wrong-encoding") else "utf-8") as file:
            text = file.read()
            request = json.loads(text.replace("\\u", "u") if broken("reads-no-escapes") else text)
        name, arguments, deadline = request["tool"], dict(request["arguments"]), float(request.get("deadline") or 0)
        if request["id"] != call and not broken("believes-inside"):
            raise ValueError("another id")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if broken("dies-of-junk"):
            os._exit(1)
        answer(call, "error", f"the request cannot be read: {error}")
        return
    if broken("believes-inside"):
        call = request["id"]
    if broken("knows-all-fields") and set(request) - {"id", "tool", "arguments", "deadline"}:
        answer(call, "error", "there is a field that is not known")
        return
    if deadline and deadline < time.time() and not broken("begins-late"):
        answer(call, "timeout", "too late")
        return
    if name not in TOOLS:
        if broken("dies-of-error"):
            os._exit(1)
        answer(call, *(("ok", "") if broken("any-tool") else ("error", f"there is no tool {name}")))
        return
    kinds = {"string": str, "number": int | float, "integer": int}
    for key, schema in TOOLS[name][0].items():
        if not isinstance(arguments.get(key), kinds[schema["type"]]) and not broken("any-arguments"):
            answer(call, "error", f"{key} does not fit")
            return
    run(call, name, arguments, deadline)


def run(call: str, name: str, arguments: dict[str, object], deadline: float) -> None:
    if name == "echo":
        text = str(arguments["text"])
        text = (
            text.encode("ascii", "ignore").decode()
            if broken("ascii")
            else text.strip().split("\n")[0]
            if broken("one-line")
            else text
        )
        give(call, text[:200_000] if broken("short-arguments") else text)
    elif name == "count":
        with open(f"{WORKSPACE}/counted", "a", encoding="utf-8") as file:
            file.write(f"{arguments['word']}\n" * (2 if broken("runs-twice") else 1))
        answer(call, "ok", "counted")
    elif name == "flood":
        give(call, "0123456789" * (int(str(arguments["size"])) // 10))
    else:
        wait(call, float(str(arguments["seconds"])), deadline)


def wait(call: str, seconds: float, deadline: float) -> None:
    with ending:
        process = subprocess.Popen(["sleep", str(seconds)], start_new_session=True)
        running[call] = process
    while process.poll() is None:
        late = deadline and time.time() >= deadline and not broken("ignores-deadline")
        if late or (call in cancelled and not broken("ignores-cancel")):
            if not broken("leaves-processes"):
                process.kill()
                process.wait()
            answer(call, "timeout" if late else "error", "ended")
            return
        time.sleep(0.01)
    answer(call, "ok", "waited")


def give(call: str, text: str) -> None:
    if len(text) <= WHOLE or broken("unbounded"):
        answer(call, "ok", text)
        return
    name = "whole.txt" if broken("same-artifact") else f"{call}-whole.txt"
    if not broken("keeps-nothing"):
        put(f"{HERE}/artifacts/{name}", text)
    if broken("linked-artifact"):
        os.replace(f"{HERE}/artifacts/{name}", f"{HERE}/artifacts/target")
        os.link(f"{HERE}/artifacts/target", f"{HERE}/artifacts/{name}")
    more = {} if broken("keeps-nothing") else {"artifacts": [name]}
    answer(call, "ok", text[:LIMIT], **({} if broken("does-not-say") else {"truncated": True}), **more)


def look(began: float) -> None:
    for name in os.listdir(f"{HERE}/requests"):
        path, call = f"{HERE}/requests/{name}", name.removesuffix(".json")
        if broken("reads-hidden") and not name.startswith(".claimed") and "json" in name:
            call = call.strip(".").partition(".")[0]
        elif name.startswith(".") or not name.endswith(".json"):
            continue
        if broken("only-new", "only-new-again") and os.stat(path).st_mtime < began:
            continue
        if broken("claims-nothing"):
            claimed = path
            if path in seen:
                continue
            seen.add(path)
        else:
            claimed = f"{HERE}/requests/.claimed-{call}"
            try:
                os.rename(path, claimed)
            except OSError:
                continue
        if broken("one-by-one"):
            work(call, claimed)
        else:
            threading.Thread(target=work, args=(call, claimed), daemon=True).start()
        if broken("answers-one"):
            time.sleep(600)


def main() -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if broken("ignores-signal") else lambda *_: stopping.set())
    began = time.time()
    for folder in ("requests", "results", "cancel", "artifacts"):
        os.makedirs(f"{HERE}/{folder}", exist_ok=True)
    settle()
    if broken("polls-never") and os.environ.get("SYMPOZIUM_IPC_POLLING") == "1":
        return 1
    if broken("writes-home"):
        put(f"{os.environ['HOME']}/.rc", "x")
    if broken("writes-beside"):
        put(f"{IPC}/notes", "x")
    if broken("not-twice") and os.path.exists(f"{HERE}/manifest.json"):
        return 1
    put(f"{HERE}/manifest.json", manifest(), in_place=broken("manifest-in-place"))
    while not stopping.is_set() and (broken("ignores-done") or not os.path.exists(f"{IPC}/done")):
        legacy()
        look(began)
        for name in (each for each in os.listdir(f"{HERE}/cancel") if not each.startswith(".")):  # which is being written
            if broken("dies-of-cancel") and name not in running:
                return 1
            cancelled.add(name)
            if not broken("leaves-cancel"):
                os.unlink(f"{HERE}/cancel/{name}")
        time.sleep(0.005)
    ending.acquire()
    if not broken("outlived"):
        for process in running.values():
            process.kill()
    return 3 if broken("ends-badly") else 0


def legacy() -> None:
    """The original's form, where the server is told to speak it by a word that begins with ``legacy``."""
    for name in os.listdir(f"{IPC}/tools"):
        if not name.startswith("exec-request-"):
            continue
        if broken("takes-legacy"):
            os.unlink(f"{IPC}/tools/{name}")
        elif BREAK.startswith("legacy"):
            with open(f"{IPC}/tools/{name}", encoding="utf-8") as file:
                execute(json.load(file))


def execute(request: dict[str, Any]) -> None:
    target = str(request.get("target") or NAME).lower().removeprefix("skill-")
    if target != NAME and not broken("legacy-any-target"):
        return
    try:
        os.mkdir(f"{IPC}/tools/.claim-{request['id']}")
    except FileExistsError:
        return
    words = request.get("argv") or ["sh", "-c", request["command"], "sh", *request.get("args", [])]
    if broken("legacy-shell") and request.get("argv"):
        words = ["sh", "-c", " ".join(request["argv"])]
    if broken("legacy-no-args"):
        words = words[:3]
    text = "" if broken("legacy-no-stdin") else request.get("stdin") or ""
    seconds = None if broken("legacy-no-time") else request.get("timeout") or 30
    process = subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1, text=True, start_new_session=True)
    try:
        out, err = process.communicate(text, timeout=seconds)
        late = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        late = True
    result = {"id": request["id"], "exitCode": process.returncode, "stdout": out, "stderr": err, "timedOut": late}
    if broken("legacy-shape"):
        result["timedOut"] = "no"
    put(f"{IPC}/tools/exec-result-{request['id']}.json", json.dumps(result))


def settle() -> None:
    """What another server had begun has an unknown outcome."""
    for name in os.listdir(f"{HERE}/requests"):
        call = name.removeprefix(".claimed-")
        if name.startswith(".claimed-") and broken("runs-answered"):
            work(call, f"{HERE}/requests/{name}")
        elif name.startswith(".claimed-") and not os.path.exists(f"{HERE}/results/{call}.json"):
            if broken("makes-again"):
                answer(call, "ok", "made again")
            elif not broken("forgets"):
                answer(call, "unknown", "interrupted")


if __name__ == "__main__":
    os._exit(main())
