"""Part of `sandbox.SandboxContract`: the promises of a runtime, tried from the inside. What is not promised is not tried.

A driver may fail here, and the tests may run as root: so each attempt is one that does no harm when nothing stops it. It opens without
writing, makes files without a name, and mounts a kind of file system that does not exist.
"""

from __future__ import annotations

import errno
import json
from typing import Any, ClassVar

import pytest

from sympozium_core.contracts.plan import Container, PodPlan, Resources
from sympozium_core.contracts.sandbox import Promise
from sympozium_core.testing.sandbox_bench import Bench, agent, container, shell

ATTEMPT = """
import json, os, sys, socket
seen = {}
def attempt(name, action):
    try:
        seen[name] = action()
    except OSError as error:
        seen[name] = "refused " + str(error.errno)
"""
_TELL = "sys.stderr.write(json.dumps(seen))\nsys.stderr.flush()\nos._exit(1)"


class Walls:
    expects: ClassVar[frozenset[Promise]]

    def _needs(self, promise: Promise) -> None:
        if promise not in self.expects:
            pytest.skip(f"this runtime does not promise {promise!r}")

    async def _told(self, bench: Bench, script: str, *arguments: str, others: tuple[Container, ...] = (), **more: Any) -> Any:
        """Runs a script that makes attempts as the agent, and returns what it saw: 2 KiB of JSON at most."""
        command = (bench.python, "-I", "-c", f"{ATTEMPT}\n{script}\n{_TELL}", *arguments)
        return json.loads(await bench.told(PodPlan((container("agent", command, **more), *others))))

    async def test_only_its_own_folders_can_be_written(self, bench: Bench) -> None:
        self._needs("filesystem")
        script = """
for folder in ("/", "/usr", "/etc", "/skills", "/proc/sys/kernel", "/dev", os.path.dirname(sys.executable), sys.prefix):
    attempt(folder, lambda: os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY)))
attempt("setting", lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)))
attempt("hostname", lambda: os.close(os.open("/proc/sys/kernel/hostname", os.O_WRONLY)))
for folder in ("/workspace", "/tmp", "/ipc"):
    attempt(folder, lambda: open(os.path.join(folder, "mine"), "w").close())
"""
        seen = await self._told(bench, script)
        own = ("/workspace", "/tmp", "/ipc")
        assert {folder: seen.pop(folder) for folder in own} == dict.fromkeys(own)
        assert {what: result for what, result in seen.items() if not str(result).startswith("refused")} == {}

    async def test_a_container_without_workspace_and_skills_sees_neither(self, bench: Bench) -> None:
        self._needs("filesystem")
        script = "ls -d /workspace /skills >&2; sleep 1; exit 1"
        skill = container("skill-one", shell(script), workspace=False, skills=False)
        pod_id = await bench.start(agent('[ -d "$workspace" ] && sleep 60', skill))
        status = await bench.until(
            pod_id, lambda status: bool(status.containers) and status.containers["skill-one"].state == "ended"
        )
        assert status.containers["skill-one"].message.count("No such file") == 2
        assert (await bench.sandbox.observe(pod_id)).containers["agent"].exit_code is None

    async def test_processes_of_the_machine_are_out_of_sight(self, bench: Bench) -> None:
        self._needs("processes")
        script = """
found = [open(f"/proc/{pid}/cmdline").read()[:80] for pid in filter(str.isdigit, os.listdir("/proc"))]
seen["count"], seen["processes"] = len(found), found[:8]
"""
        other = await bench.start(agent("sleep 61.75"))
        await bench.until(other, lambda status: status.state == "running")
        seen = await self._told(bench, script, others=(container("skill-one", shell("sleep 1")),))
        assert seen["count"] <= 5, seen
        assert not [command for command in seen["processes"] if "61.75" in command or "pytest" in command]

    async def test_a_fork_bomb_is_bounded(self, bench: Bench) -> None:
        self._needs("processes")
        script = """
import time
count = 0
def bomb():
    global count
    for _ in range(1500):
        if os.fork() == 0:
            time.sleep(10)
            os._exit(0)
        count += 1
attempt("bomb", bomb)
seen["count"] = count
"""
        seen = await self._told(bench, script, resources=Resources(processes=50))
        assert seen["bomb"] == f"refused {errno.EAGAIN}"
        assert seen["count"] < 1400

    async def test_no_rights_beyond_an_ordinary_user(self, bench: Bench) -> None:
        self._needs("filesystem")
        script = """
fields = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
seen["rights"] = sorted({fields[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
seen["new"] = fields["NoNewPrivs"]
seen["uid"] = os.getuid()
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
seen["mount"] = (libc.mount(b"none", b"/", b"no-such-kind", 0, None), ctypes.get_errno())
seen["unshare"] = libc.unshare(0x10000000)
seen["setuid"] = libc.setuid(0)
"""
        assert await self._told(bench, script) == {
            **{"rights": [""], "new": "1", "uid": 1000},
            **{"mount": [-1, errno.EPERM], "unshare": -1, "setuid": -1},
        }
