"""A cluster for one command: its own network, its status, and nothing left of it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine import cgroups, control_plane, images
from tests.kubernetes.machine.containerfile import Build, build_containerfile
from tests.kubernetes.machine.layout import ROOT, Layout
from tests.kubernetes.machine.processes import Processes
from tests.kubernetes.manifests import container, job, pod, pod_spec

RUN = [sys.executable, "-m", "tests.kubernetes.machine", "run"]


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """`run` with its temporary files in this folder. It starts as from outside: not as a test of a running cluster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYMPOZIUM_TEST_")}
    environment |= {"TMPDIR": str(folder), **more}
    return subprocess.Popen(
        [*RUN, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    with start(folder, *arguments, **more) as process:
        out, err = process.communicate(timeout=200)
        return process.returncode, out, err


def groups() -> set[Path]:
    return set(cgroups.TREE.glob(f"{cgroups.PREFIX}*")) | set(cgroups.TREE.glob(f"*/{cgroups.PREFIX}*"))


def inhabitants(folder: Path) -> list[str]:
    """Command lines of processes that have to do with this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_a_run_hands_on_its_commands_status_and_leaves_nothing(tmp_path: Path, cluster: Layout) -> None:
    before = groups()
    network = os.readlink("/proc/self/ns/net")
    status, out, err = result(
        tmp_path, "--logs", f"{tmp_path}/kept", "--", "sh", "-c", "readlink /proc/self/ns/net; ip -o link; exit 7"
    )
    assert status == 7, err
    assert network not in out
    assert "eth0" not in out
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/kube-apiserver.log").stat().st_size > 0
    assert inhabitants(tmp_path) == []
    assert groups() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_takes_its_cluster_along(tmp_path: Path, cluster: Layout, number: signal.Signals) -> None:
    with start(tmp_path, "--", "sh", "-c", "echo up; sleep 600") as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        [folder] = tmp_path.iterdir()
        assert inhabitants(folder)
        process.send_signal(number)
        process.wait(30)
    eventually(lambda: inhabitants(folder) == [], "every process of the cluster is gone")
    if number == signal.SIGKILL:  # nobody was left to remove the folder; the next run does
        assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
        assert result(tmp_path, "--", "true")[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_what_the_machine_lacks_is_named_all_at_once(tmp_path: Path) -> None:
    status, _, err = result(tmp_path, "--node", "--", "true", PATH="/nowhere")
    assert status == 1
    assert "not installed: " in err
    for program in ("unshare", "openssl", "containerd", "runc"):
        assert program in err
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_given_is_used_and_none_is_started(tmp_path: Path) -> None:
    given = str(tmp_path / "given")
    assert result(tmp_path, "--", "printenv", "KUBECONFIG", SYMPOZIUM_TEST_KUBECONFIG=given)[:2] == (0, given + "\n")
    assert result(tmp_path, "--existing", "--", "printenv", "KUBECONFIG", KUBECONFIG=given)[:2] == (0, given + "\n")
    assert list(tmp_path.iterdir()) == []


def test_simulated_nodes_carry_many_pods(tmp_path: Path, cluster: Layout) -> None:
    script = (
        "kubectl create -f tests/kubernetes/machine/sample-job.yaml && kubectl wait --for=condition=Complete job/many --timeout=60s"
        " && kubectl get pods -o jsonpath='{range .items[*]}{.spec.nodeName} {end}'"
    )
    status, out, err = result(tmp_path, "--simulated", "3", "--", "sh", "-c", script)
    assert status == 0, err
    where = out.splitlines()[-1].split()
    assert len(where) == 60
    assert set(where) <= {"simulated-1", "simulated-2", "simulated-3"}


@pytest.mark.parametrize("name", ["kube-apiserver", "kubelet", "kube-controller-manager"])
def test_a_process_that_was_killed_starts_again(here: Kubectl, cluster: Layout, processes: Processes, name: str) -> None:
    first = processes.pid(name)
    processes.end(name, signal.SIGKILL)
    assert processes.pid(name) is None
    processes.again(name)
    eventually(lambda: control_plane.answers(cluster), "the API server answers", 60)
    assert processes.pid(name) not in (None, first)
    here.apply(job("after", pod_spec(container(images.BUSYBOX, ["true"]))))
    here.wait("condition=Complete", "job/after")


def test_a_containerfile_is_built_without_a_network_and_runs(tmp_path: Path, here: Kubectl, cluster: Layout) -> None:
    context, fetched = tmp_path / "context", tmp_path / "fetched"
    for folder, name in ((context, "own.txt"), (fetched, "theirs.txt")):
        folder.mkdir()
        (folder / name).write_text(name)
    lines = [
        *("ARG BASE=nowhere", "FROM ${BASE}", "COPY own.txt /app/"),
        "RUN --mount=type=bind,from=fetched,target=/fetched cp /fetched/theirs.txt /app/ && pip --version > /app/pip",
        *("USER 1000:1000", 'ENTRYPOINT ["cat", "/app/own.txt", "/app/theirs.txt", "/app/pip"]'),
    ]
    (tmp_path / "Containerfile").write_text("\n".join(lines))
    base = images.make_base_image("localhost/builder:1", tmp_path / "builder.tar", "builder")
    build = Build(
        *(tmp_path / "Containerfile", context, "localhost/built:1", (base,)),
        {"BASE": "localhost/builder:1"},
        {"fetched": fetched},
    )
    images.load(cluster, build_containerfile(build, tmp_path / "built.tar"))
    spec = pod_spec(container("localhost/built:1", []))
    here.apply(pod("built", spec))
    here.wait("jsonpath={.status.phase}=Succeeded", "pod/built")
    assert here("logs", "built").startswith("own.txttheirs.txtpip 23")
