"""What only this driver does: the model's port, the data directory covered, an ordinary user."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympozium_sandbox_bubblewrap
import sympozium_sandbox_process
from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox

import sympozium_core
from sympozium_core.contracts.plan import Container, EgressRule, PodPlan
from sympozium_core.testing.sandbox_bench import Bench, agent, container

_BRIDGE = """
import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("agent/model.sock")
server.listen()
while True:
    client, _ = server.accept()
    client.sendall(client.recv(100).upper() + os.environ["SYMPOZIUM_POD"].encode())
    client.close()
"""
_ASK = """
import socket, sys
model = socket.create_connection(("127.0.0.1", 4180), 5)
model.sendall(b"hello ")
sys.stderr.write(model.makefile().read())
"""


def _python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", script)


async def test_each_agent_reaches_its_own_bridge_and_skills_reach_none(bench: Bench) -> None:
    plan = PodPlan(
        (
            container("bridge", _python(_BRIDGE)),
            container("agent", _python(_ASK)),
            container("skill-one", _python(_ASK)),
        )
    )
    pods = await asyncio.gather(*(bench.start(plan) for _ in range(3)))
    for pod_id in pods:
        status = await bench.until(
            pod_id, lambda status: {status.containers[name].state for name in ("agent", "skill-one")} == {"ended"}
        )
        assert status.containers["agent"].message == f"HELLO {pod_id}"
        assert status.containers["skill-one"].exit_code == 1
        assert "ConnectionRefusedError" in status.containers["skill-one"].message
        assert status.containers["bridge"].state == "running"


async def test_a_data_directory_inside_a_shown_folder_is_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "module.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(source))
    bench = Bench(BubblewrapSandbox(), source / "data" / "sandbox")
    bench.data_dir.mkdir(parents=True)
    monkeypatch.setenv("SYMPOZIUM_DATA_DIR", str(source / "data"))
    (source / "data" / "store.db").touch()
    await bench.sandbox.open(bench.context())
    try:
        pod_id, status = await bench.run(agent(f'ls {source} {source}/data >"$ipc/output/seen"; touch {source}/data/x'))
        assert (bench.volume(pod_id) / "output/seen").read_text().split() == [
            f"{source}:", "data", "module.py", f"{source}/data:"
        ]  # fmt: skip
        assert "Read-only" in status.containers["agent"].message
        await bench.sandbox.remove(pod_id)
    finally:
        await bench.sandbox.close()


async def test_paths_of_the_machine_are_not_on_any_command_line(bench: Bench) -> None:
    pod_id, _ = await bench.run(agent('cat /proc/[0-9]*/cmdline | tr "\\0" " " >"$ipc/output/seen"'))
    assert str(bench.data_dir) not in (bench.volume(pod_id) / "output/seen").read_text()


async def test_no_descriptor_of_the_server_is_handed_down(bench: Bench) -> None:
    for name, role in (("agent", "agent"), ("skill-one", "skill")):
        script = "import os, sys; sys.stderr.write(' '.join(sorted(os.readlink(f'/proc/self/fd/{n}')[:5] for n in range(3, 64) if os.path.lexists(f'/proc/self/fd/{n}'))))"
        plan = PodPlan((container(name, _python(script)),))
        _, status = await bench.run(plan)
        assert status.containers[name].message == "", role


async def test_a_program_outside_of_what_is_shown_is_shown_alone(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "opt"
    folder.mkdir()
    shutil.copy("/bin/sh", folder / "program")
    (folder / "neighbour").touch()
    command = (str(folder / "program"), "-c", f"ls {folder} >&2")
    _, status = await bench.run(PodPlan((Container("agent", "agent", command),)))
    assert status.containers["agent"].message.split() == ["program"]


_ORDINARY = """
import asyncio, sys
from pathlib import Path
from sympozium_core.contracts.sandbox import SandboxContext
from sympozium_core.testing.sandbox_bench import Bench, agent
from sympozium_sandbox_bubblewrap.driver import BubblewrapSandbox

async def main():
    bench = Bench(BubblewrapSandbox(), Path(sys.argv[1]))
    print(await bench.sandbox.check())
    await bench.sandbox.open(bench.context())
    script = 'id -u >&2; grep -c . /proc/self/uid_map >&2; ls "$ipc" >/dev/null && touch "$workspace/x" && ! touch /usr/x 2>/dev/null && ! unshare -U true 2>/dev/null; exit $?'
    pod_id, status = await bench.run(agent(script))
    print(status.containers["agent"])
    await bench.sandbox.remove(pod_id)
    await bench.sandbox.close()
    assert status.containers["agent"].exit_code == 0
    assert status.containers["agent"].message == "1000\\n1\\n"

asyncio.run(main())
"""


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A folder of `nobody`, where `nobody` may go: what pytest makes is for its own user alone."""
    place = Path(f"/var/tmp/sympozium-{os.getpid()}")
    place.mkdir()
    os.chown(place, 65534, 65534)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here runs as an ordinary user already")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
async def test_an_ordinary_user_needs_no_rights(foreign: Path) -> None:
    packages = {
        str(Path(each.__path__[0]).parent) for each in (sympozium_core, sympozium_sandbox_process, sympozium_sandbox_bubblewrap)
    }
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", "-c", _ORDINARY, str(foreign / "sandbox"),
        user=65534, group=65534, extra_groups=[], cwd=foreign,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": ":".join(packages), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


_PROXY = """
import socket
server = socket.socket(socket.AF_UNIX)
server.bind("skill-one/egress.sock")
server.listen()
while True:
    client, _ = server.accept()
    client.sendall(client.recv(100).upper())
    client.close()
"""
_GO_OUT = """
import os, socket, sys
from urllib.parse import urlsplit
place = urlsplit(os.environ.get("SYMPOZIUM_PROXY") or "http://127.0.0.1:4181")
out = socket.create_connection((place.hostname, place.port), 5)
out.sendall(b"hello ")
sys.stderr.write(out.makefile().read() + os.environ["https_proxy"] + " " + os.environ["NO_PROXY"])
sys.exit(1)
"""


@pytest.mark.parametrize("open_to", [(EgressRule("repo.example.com", ("192.0.2.1/32",), 443),), ()])
async def test_sidecars_have_a_way_out_where_the_plan_opens_any(bench: Bench, open_to: tuple[EgressRule, ...]) -> None:
    parts = (
        container("bridge", _python(_PROXY)),
        container("agent", _python("import time; time.sleep(60)")),
        container("skill-one", _python(_GO_OUT)),
    )
    pod_id = await bench.start(PodPlan(parts, egress=open_to))
    status = await bench.until(pod_id, lambda status: status.containers["skill-one"].state == "ended")
    said = status.containers["skill-one"].message
    if open_to:
        assert said == "HELLO http://127.0.0.1:4181 127.0.0.1,localhost"
    else:
        assert "ConnectionRefusedError" in said
