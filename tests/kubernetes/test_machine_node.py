"""The node runs real Pods: what they may not is stopped by the kernel, what they must reach is there."""

from __future__ import annotations

import json

import pytest

from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.images import BUSYBOX
from tests.kubernetes.machine.layout import METADATA, NODE_ADDRESS, OUTSIDE, SERVICE_OF_API
from tests.kubernetes.manifests import Object, container, job, pod, pod_spec, policy, service

IPC = [{"name": "ipc", "mountPath": "/ipc"}]
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
    print("open")
except OSError as error:
    print(error or type(error).__name__)
"""
ECHO = """
import socket, sys
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(1)
asker.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
try:
    print(asker.recv(1).decode())
except TimeoutError as error:
    print(error)
"""
ASK_API = """
import ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
words = {name: open(folder + name).read() for name in ("token", "namespace")}
asked = "https://%s/api/v1/namespaces/%s/pods" % ("ADDRESS", words["namespace"])
request = urllib.request.Request(asked, headers={"Authorization": "Bearer " + words["token"]})
try:
    print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + "ca.crt"), timeout=3).status)
except urllib.error.HTTPError as error:
    print(error.code)
""".replace("ADDRESS", SERVICE_OF_API)
SLIP = """
import socket
for attempt in range(40):
    try:
        socket.create_connection(("ADDRESS", 8080), 0.05)
        print("slipped out at attempt", attempt)
        break
    except OSError:
        pass
"""
LATE = "timed out"


def said(here: Kubectl, name: str, script: str, *arguments: str) -> str:
    """What a script prints in a running Pod."""
    return here("exec", name, "--", "python3", "-c", script, *arguments).strip()


def server_and_client(image: str) -> list[Object]:
    """A Pod that serves files on 8080, behind a Service on 80, and one that can call."""
    serve = ["python3", "-m", "http.server", "8080", "--directory", "/etc"]
    probe = {"httpGet": {"path": "/passwd", "port": 8080}, "periodSeconds": 1}
    return [
        pod("server", pod_spec(container(image, serve, readinessProbe=probe)), {"app": "server"}),
        service("server", 80, 8080),
        pod("client", pod_spec(container(image, ["sleep", "600"]), automountServiceAccountToken=True), {"app": "client"}),
    ]


@pytest.fixture
def server(here: Kubectl, python_image: str) -> tuple[str, str]:
    """Addresses of a server's Pod and of its Service; a Pod named `client` is ready beside it."""
    here.apply(*server_and_client(python_image))
    for name in ("server", "client"):
        here.wait("condition=Ready", f"pod/{name}")
    return here.get("pod", "server")["status"]["podIP"], here.get("service", "server")["spec"]["clusterIP"]


def test_the_node_is_ready(kubectl: Kubectl) -> None:
    kubectl.wait("condition=Ready", "nodes/machine", 1)


def test_a_locked_down_job_with_a_sidecar_completes_and_finds_everything_locked(here: Kubectl) -> None:
    waits = 'touch /ipc/ready; trap "echo sidecar ends; exit 0" TERM; while :; do sleep 0.1; done'
    tries = (
        'echo task > /ipc/task; touch /x 2>&1; id; grep -E "Seccomp:|NoNewPrivs|CapEff" /proc/self/status;'
        "unshare -r true 2>&1; mount -t tmpfs x /ipc 2>&1; ls /var/run/secrets 2>&1; true"
    )
    started = {"exec": {"command": ["test", "-f", "/ipc/ready"]}, "periodSeconds": 1}
    sidecar = container(BUSYBOX, ["sh", "-c", waits], "sidecar", volumeMounts=IPC, restartPolicy="Always", startupProbe=started)
    reads = container(
        BUSYBOX, ["sh", "-c", "until [ -s /ipc/task ]; do sleep 0.1; done; cat /ipc/task"], "reader", volumeMounts=IPC
    )
    writes = container(BUSYBOX, ["sh", "-c", tries], "writer", volumeMounts=IPC)
    volumes = [{"name": "ipc", "emptyDir": {"sizeLimit": "16Mi"}}]
    here.apply(job("locked", pod_spec(writes, reads, initContainers=[sidecar], volumes=volumes)))
    here.wait("condition=Complete", "job/locked")
    log = here("logs", "job/locked", "--all-containers")
    for line in (
        *(
            "task",
            "sidecar ends",
            "Read-only file system",
            "uid=1000",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "CapEff:\t0000000000000000",
        ),
        *("unshare(0x10000000): Operation not permitted", "mount: permission denied", "/var/run/secrets: No such file"),
    ):
        assert line in log


def test_pods_reach_pods_services_the_api_and_the_outside(here: Kubectl, namespace: str, server: tuple[str, str]) -> None:
    address, virtual = server
    assert said(here, "client", CONNECT, address, "8080") == "open"
    eventually(lambda: said(here, "client", CONNECT, virtual, "80") == "open", "the Service leads to the Pod")
    assert said(here, "client", CONNECT, OUTSIDE, "80") == "open"
    assert said(here, "client", CONNECT, METADATA, "80") == "open"
    assert said(here, "client", CONNECT, NODE_ADDRESS, "10250") == "open"
    assert said(here, "client", ECHO, OUTSIDE, "53") == "x"
    assert said(here, "client", ASK_API) == "403"
    here("create", "role", "reader", "--verb=list", "--resource=pods")
    here("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:default")
    eventually(lambda: said(here, "client", ASK_API) == "200", "the binding is in force")


def test_a_policy_without_egress_shuts_everything_and_one_with_a_peer_opens_that_alone(
    here: Kubectl, server: tuple[str, str]
) -> None:
    address, virtual = server
    here.apply(policy("deny", "client", egress=[]))
    eventually(lambda: said(here, "client", CONNECT, address, "8080") == LATE, "the policy is in force")
    everything = [(virtual, "80"), (SERVICE_OF_API, "443"), (NODE_ADDRESS, "6443"), (NODE_ADDRESS, "10250"), (OUTSIDE, "80")]
    for target in (*everything, (METADATA, "80")):
        assert said(here, "client", CONNECT, *target) == LATE, target
    assert said(here, "client", ECHO, OUTSIDE, "53") == LATE
    peer = {"to": [{"podSelector": {"matchLabels": {"app": "server"}}}], "ports": [{"port": 8080}]}
    here.apply(policy("allow", "client", egress=[peer]))
    eventually(lambda: said(here, "client", CONNECT, address, "8080") == "open", "the second policy is in force")
    assert said(here, "client", CONNECT, virtual, "80") == "open"
    assert said(here, "client", CONNECT, OUTSIDE, "80") == LATE
    assert said(here, "client", CONNECT, SERVICE_OF_API, "443") == LATE


def test_a_policy_without_ingress_shuts_pods_out_and_lets_the_node_probe(here: Kubectl, server: tuple[str, str]) -> None:
    address, _ = server
    here.apply(policy("deny", "server", ingress=[]))
    eventually(lambda: said(here, "client", CONNECT, address, "8080") == LATE, "the policy is in force")
    here.wait("condition=Ready", "pod/server", 5)


def test_no_packet_leaves_a_pod_before_its_policy_is_in_force(
    here: Kubectl, python_image: str, server: tuple[str, str]
) -> None:
    here.apply(policy("early", "early", egress=[]))
    spec = pod_spec(container(python_image, ["python3", "-c", SLIP.replace("ADDRESS", server[0])]))
    names = [f"early-{number}" for number in range(4)]
    here.apply(*(pod(name, spec, {"app": "early"}) for name in names))
    for name in names:
        here.wait("jsonpath={.status.phase}=Succeeded", f"pod/{name}")
        assert here("logs", name) == ""


def test_limits_and_deadlines_end_pods(here: Kubectl, python_image: str) -> None:
    greedy = container(python_image, ["python3", "-c", "x = bytearray(200 << 20)"], resources={"limits": {"memory": "64Mi"}})
    here.apply(pod("greedy", pod_spec(greedy)))
    here.apply(job("late", pod_spec(container(BUSYBOX, ["sleep", "60"])), activeDeadlineSeconds=2, ttlSecondsAfterFinished=1))
    here.wait("jsonpath={.status.containerStatuses[0].state.terminated.reason}=OOMKilled", "pod/greedy")
    here.wait("delete", "job/late")


def test_a_claim_gets_a_volume_that_keeps_what_is_written_and_goes_with_it(here: Kubectl, kubectl: Kubectl) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    here.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "memory"}, "spec": spec})
    volumes = [{"name": "memory", "persistentVolumeClaim": {"claimName": "memory"}}]
    for name, script in (("first", "echo kept > /memory/file"), ("second", "cat /memory/file; stat -c %g /memory")):
        mounted = container(BUSYBOX, ["sh", "-c", script], volumeMounts=[{"name": "memory", "mountPath": "/memory"}])
        here.apply(pod(name, pod_spec(mounted, volumes=volumes)))
        here.wait("jsonpath={.status.phase}=Succeeded", f"pod/{name}")
    assert here("logs", "second").split() == ["kept", "1000"]
    volume = here.get("pvc", "memory")["spec"]["volumeName"]
    here("delete", "pod", "first", "second")
    here("delete", "pvc", "memory")
    eventually(lambda: not kubectl.exists("pv", volume), "the volume is gone")


def test_gvisor_shows_itself_from_inside(here: Kubectl) -> None:
    here.apply(pod("sandboxed", pod_spec(container(BUSYBOX, ["dmesg"]), runtimeClassName="gvisor")))
    here.wait("jsonpath={.status.phase}=Succeeded", "pod/sandboxed")
    assert "Starting gVisor" in here("logs", "sandboxed")
    here.apply(pod("plain", pod_spec(container(BUSYBOX, ["cat", "/proc/version"]))))
    here.wait("jsonpath={.status.phase}=Succeeded", "pod/plain")
    assert "gvisor" not in here("logs", "plain").lower()


def test_an_image_that_is_nowhere_is_said(here: Kubectl) -> None:
    here.apply(pod("lost", pod_spec(container("localhost/nowhere:1", ["true"]))))

    def reason() -> str:
        states = here.get("pod", "lost")["status"].get("containerStatuses", [])
        return json.dumps(states)

    eventually(lambda: "ErrImagePull" in reason() or "ImagePullBackOff" in reason(), "kubelet says that it cannot pull")
