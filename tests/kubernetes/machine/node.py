"""One real node: containerd with runc (and gVisor), kubelet, kube-proxy in nftables mode, network policies, volumes, names of Services."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.kubernetes.machine import images, names, network, volumes
from tests.kubernetes.machine.control_plane import kubectl
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import BRIDGE, NODE, NODE_ADDRESS, PODS, Layout
from tests.kubernetes.machine.namespaces import check_overlay
from tests.kubernetes.machine.processes import Command, Processes, wait_until
from tests.kubernetes.machine.system import call

PLUGINS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
"""Where distributions put the network plugins."""
CONTAINERD = """\
version = 2
root = "{data}/containerd"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  enable_unprivileged_ports = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{conf}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]
      runtime_type = "io.containerd.runsc.v1"
      pod_annotations = ["dev.gvisor.*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc.options]
        TypeUrl = "io.containerd.runsc.v1.options"
        ConfigPath = "{conf}/runsc.toml"
"""
DISABLED = (
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("btrfs", "zfs", "aufs", "devmapper")),
    *("io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"),
)
RUNSC = 'binary_name = "{programs}/runsc"\n[runsc_config]\nplatform = "systrap"\n'
"""systrap needs no hardware; the kvm platform fails silently where virtual machines cannot be nested."""
GVISOR = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"}


def _plugins() -> str:
    for folder in PLUGINS:
        if Path(folder, "bridge").exists():
            return folder
    raise MachineError(f"no network plugins in {', '.join(PLUGINS)}; install containernetworking-plugins")


def _write_containerd(layout: Layout) -> None:
    ranges = [[{"subnet": PODS, "rangeStart": NODE_ADDRESS + "0"}]]
    addresses = {"type": "host-local", "dataDir": "/run/cni", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": addresses}
    mapped = {"type": "portmap", "capabilities": {"portMappings": True}}
    (layout.conf / "cni").mkdir(exist_ok=True)
    chain = {"cniVersion": "1.0.0", "name": "machine", "plugins": [bridge, mapped]}
    (layout.conf / "cni/10-machine.conflist").write_text(json.dumps(chain))
    (layout.conf / "runsc.toml").write_text(RUNSC.format(programs=layout.programs))
    text = CONTAINERD.format(
        data=layout.data,
        conf=layout.conf,
        socket=layout.containerd,
        pause=images.PAUSE,
        plugins=_plugins(),
        disabled=", ".join(f'"{name}"' for name in DISABLED),
    )
    (layout.conf / "containerd.toml").write_text(text)


def kubelet_configuration(layout: Layout, group: str) -> dict[str, object]:
    """The node's settings. kubelet 1.36 refuses control groups of version 1 unless told; containerd 1.6 needs the cgroupfs driver."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": 10250,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{layout.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{layout.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{group}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": names.DOMAIN,
        "clusterDNS": [NODE_ADDRESS],
        "resolvConf": f"{layout.conf}/resolv.conf",
        "podLogsDir": f"{layout.logs}/pods",
        "seccompDefault": True,
        "podPidsLimit": 1024,
        "maxPods": 200,
        "evictionHard": {
            "memory.available": "200Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": False,
    }


def _kubelet(layout: Layout, group: str) -> Command:
    (layout.conf / "resolv.conf").touch()
    (layout.logs / "pods").mkdir(exist_ok=True)
    (layout.conf / "kubelet.yaml").write_text(json.dumps(kubelet_configuration(layout, group)))
    who = [f"--kubeconfig={layout.pki}/kubelet.kubeconfig", f"--hostname-override={NODE}", f"--node-ip={NODE_ADDRESS}"]
    return Command("kubelet", ["kubelet", f"--config={layout.conf}/kubelet.yaml", *who, "--v=2"])


def _proxy(layout: Layout) -> Command:
    untouched = [f"--conntrack-{name}=0" for name in ("max-per-core", "tcp-timeout-established", "tcp-timeout-close-wait")]
    where = ["--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249"]
    how = [f"--kubeconfig={layout.pki}/proxy.kubeconfig", f"--hostname-override={NODE}", "--proxy-mode=nftables"]
    return Command("kube-proxy", ["kube-proxy", *how, f"--cluster-cidr={PODS}", *where, *untouched])


def _own(layout: Layout, what: str) -> list[str]:
    return [sys.executable, "-m", "tests.kubernetes.machine", what, "--dir", str(layout.root)]


def _containerd_up(layout: Layout) -> bool:
    try:
        call("ctr", "--address", str(layout.containerd), "version")
    except MachineError:
        return False
    return True


def _is_ready(layout: Layout, since: float) -> bool:
    """Whether the node is Ready by a heartbeat of this kubelet: a node that starts again looks Ready by an old one."""
    node = json.loads(kubectl(layout, "get", "nodes", "-o", "json"))["items"]
    if not node:
        return False
    found = [entry for entry in node[0]["status"].get("conditions", []) if entry["type"] == "Ready"]
    beat = datetime.fromisoformat(found[0]["lastHeartbeatTime"]) if found else datetime.fromtimestamp(0, UTC)
    return bool(found) and found[0]["status"] == "True" and beat.timestamp() >= int(since)


def _has_table(name: str) -> bool:
    try:
        call("nft", "list", "table", *name.split())
    except MachineError:
        return False
    return True


def _runs(processes: Processes, name: str) -> bool:
    return processes.pid(name) is not None


def start(layout: Layout, processes: Processes, group: str, own_images: list[Path]) -> None:
    """Brings the node up and waits until it is Ready, with policies and Services in force.

    Raises:
        MachineError: The kernel lacks something, or a process ended or is late; with the end of its log.
    """
    since = time.time()
    check_overlay(layout)
    network.check_filtering()
    network.make_outside()
    inside = [f"--net=/run/netns/{network.OUTSIDE_NAMESPACE}", "--", *_own(layout, "outside")]
    processes.start(Command("outside", ["nsenter", *inside]))
    _write_containerd(layout)
    processes.start(Command("containerd", ["containerd", "--config", f"{layout.conf}/containerd.toml"]))
    processes.wait("containerd", lambda: _containerd_up(layout), 30)
    for archive in own_images:
        images.load(layout, archive)
    kubectl(
        layout, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [GVISOR, volumes.CLASS]})
    )
    processes.start(Command("netpol", ["netpol", f"--kubeconfig={layout.pki}/netpol.kubeconfig", f"--pod-cidr={PODS}"]))
    processes.start(_kubelet(layout, group))
    processes.start(_proxy(layout))
    for fixture in ("volumes", "names"):
        processes.start(Command(fixture, _own(layout, fixture)))
    processes.wait("kubelet", lambda: _is_ready(layout, since), 90)
    processes.wait("netpol", lambda: _has_table("inet netpol"), 30)
    processes.wait("kube-proxy", lambda: _has_table("ip kube-proxy"), 30)
    for fixture in ("volumes", "names"):
        wait_until(partial(_runs, processes, fixture), 5, f"{fixture} ended:\n{processes.log(fixture)}")
