"""Part of `sandbox_local.LocalSandboxContract`: this machine, seen from inside a sandbox on it. What is not promised is not tried.

As in `sandbox_walls` no attempt does harm; what is found is told as found, and never what was read in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sympozium_core.contracts.plan import Container, PodPlan, SkillText
from sympozium_core.contracts.sandbox import Promise
from sympozium_core.testing.sandbox_bench import Bench, agent, container, shell
from sympozium_core.testing.sandbox_walls import ATTEMPT


def _look(name: str, script: str, *arguments: str) -> Container:
    """A container that makes attempts and leaves what it saw as JSON in its volume."""
    end = 'open(os.environ.get("SYMPOZIUM_IPC", "/ipc") + "/tools/seen.json", "w").write(json.dumps(seen))'
    return container(name, (sys.executable, "-I", "-S", "-c", f"{ATTEMPT}\n{script}\n{end}", *arguments))


class LocalWalls:
    expects: ClassVar[frozenset[Promise]]

    def _asks_for(self, promise: Promise) -> None:
        if promise not in self.expects:
            pytest.skip(f"this runtime does not promise {promise!r}")

    async def _seen(self, bench: Bench, *containers: Container, skills: tuple[SkillText, ...] = ()) -> dict[str, Any]:
        pod_id, status = await bench.run(PodPlan(containers, skills=skills))
        assert status.containers[containers[0].name].exit_code == 0, status
        found: dict[str, Any] = json.loads((bench.volume(pod_id, containers[0].name) / "tools/seen.json").read_text())
        return found

    @pytest.mark.parametrize("name", ["agent", "skill-one"])
    async def test_files_of_the_machine_are_out_of_sight(self, bench: Bench, tmp_path: Path, name: str) -> None:
        self._asks_for("filesystem")
        secret = tmp_path / "secret"
        secret.write_text("s3cret")
        other = await bench.start(agent('echo private >"$workspace/private"; sleep 60'))
        await bench.file(bench.workspace(other) / "private")
        script = """
for path in sys.argv[1:]:
    attempt(path, lambda: bool(os.listdir(path) if os.path.isdir(path) else open(path).read(1)))
attempt("link", lambda: (os.symlink(sys.argv[1], "link"), open("link").close()))
attempt("etc", lambda: sorted(os.listdir("/etc")))
attempt("home", lambda: os.listdir(os.path.expanduser("~" + open("/etc/passwd").read().split(":")[0])))
attempt("uid", os.getuid)
"""
        paths = [
            str(secret),
            str(bench.data_dir),
            str(bench.workspace(other)),
            "/etc/shadow",
            str(Path.home() / ".ssh"),
            "/sys",
            "/var",
        ]
        seen = await self._seen(bench, _look(name, script, *paths))
        assert {path: seen[path] for path in paths} == dict.fromkeys(paths, "refused 2")
        assert seen["link"] == "refused 2"
        assert len(seen["etc"]) < 15
        assert seen["uid"] == 1000

    async def test_what_tells_of_the_machine_is_covered(self, bench: Bench) -> None:
        self._asks_for("filesystem")
        script = """
import stat
attempt("skills", lambda: os.close(os.open("/skills/pack", os.O_TMPFILE | os.O_WRONLY)))
attempt("skill", lambda: os.close(os.open("/skills/pack/text.md", os.O_WRONLY)))
for name in ("sysrq-trigger", "mtrr", "kcore", "timer_list"):
    seen[name] = not os.path.exists("/proc/" + name) or stat.S_ISCHR(os.stat("/proc/" + name).st_mode)
"""
        seen = await self._seen(bench, _look("agent", script), skills=(SkillText("pack", "text", "", "x"),))
        covered = ("sysrq-trigger", "mtrr", "kcore", "timer_list")
        assert [seen.pop(name) for name in covered] == [True] * len(covered)  # Absent, or another device in its place.
        assert {what: result for what, result in seen.items() if not str(result).startswith("refused")} == {}

    async def test_the_credential_is_out_of_reach(self, bench: Bench) -> None:
        self._asks_for("credentials")
        script = """
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/usr", sys.prefix, sys.base_prefix)]
    found += [os.path.join(folder, each) for each in files if "credential" in each]
seen["found"] = found
seen["environments"] = ""
for pid in filter(str.isdigit, os.listdir("/proc")):
    attempt("one", lambda: open(f"/proc/{pid}/environ").read())
    seen["environments"] += str(seen.pop("one"))
"""
        bridge = container("bridge", shell("sleep 1"))
        seen = await self._seen(bench, _look("agent", script), bridge)
        assert not [path for path in seen["found"] if path.endswith(".json")]
        assert "SYMPOZIUM_BUS_CREDENTIAL" not in seen["environments"]
        assert str(os.getpid()) not in seen["environments"]

    @pytest.mark.parametrize("name", ["agent", "skill-one"])
    async def test_there_is_no_network(self, bench: Bench, name: str, tmp_path: Path) -> None:
        self._asks_for("network")
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        hidden = f"\0sympozium-{os.getpid()}-{port}"
        local = await asyncio.start_unix_server(lambda reader, writer: writer.close(), hidden)
        script = """
port, hidden = int(sys.argv[1]), sys.argv[2]
attempt("loopback", lambda: socket.create_connection(("127.0.0.1", port), 2).close())
attempt("outside", lambda: socket.create_connection(("192.0.2.1", 80), 2).close())
attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0" + hidden))
attempt("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("hypervisor", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close())
seen["interfaces"] = [name for _, name in socket.if_nameindex()]
"""
        async with server, local:
            socket.create_connection(("127.0.0.1", port)).close()
            seen = await self._seen(bench, _look(name, script, str(port), hidden[1:]))
        assert seen.pop("interfaces") == ["lo"]
        assert {what: result for what, result in seen.items() if not str(result).startswith(("refused", "refused None"))} == {}
