"""Names of files and folders under a container's own `/ipc`. Each volume joins the bridge and exactly one other container."""

from __future__ import annotations

PROTOCOL_VERSION = 1

# In the agent's volume.
TASK = "input/task.json"  # bridge -> agent: the run; its appearance starts the runner
RESULT = "output/result.json"  # agent -> bridge: the end
RESULT_ACK = "output/result.ack"  # bridge -> agent: the bus has the result, you may exit
STREAM_PREFIX = "output/stream-"  # agent -> bridge: stream-<n>.json, progress
STATUS = "output/status.json"  # agent -> bridge: what it is doing now
CONTROL_CANCEL = "control/cancel"  # bridge -> agent: stop, write a result
CONTROL_SKIP = "control/skip"  # preRun hook -> control plane, in the hook's own volume: why the run is to end without its agent
EXCHANGE = "exchange.json"  # bridge -> sidecar for MCP: where it carries out HTTP exchanges
EXCHANGE_SOCKET = "exchange.sock"  # made by the bridge: that place, for sandboxes without a network
EGRESS_SOCKET = "egress.sock"  # made by the bridge: an HTTP proxy to what the policy lists, for sandboxes without a network
MODEL_SOCKET = "model.sock"  # made by the bridge: the model endpoint, for sandboxes without a network

# In every volume: tool servers as directories, the same on both sides of the bridge.
TOOLS = "tools"
MANIFEST = "manifest.json"
REQUESTS = "requests"
RESULTS = "results"
ARTIFACTS = "artifacts"  # tools/<server>/artifacts/<name>: files that a result names
PROGRESS = "progress"  # tools/<server>/progress/<id>.<n>.json: what a running call says meanwhile
CANCEL = "cancel"  # tools/<server>/cancel/<id>: whoever asked no longer waits for this call
DONE = "done"  # bridge -> sidecar: no more calls will come, exit

# Spoken on the sidecar's side only, for images made for the original.
LEGACY_REQUEST_PREFIX = "tools/exec-request-"
LEGACY_RESULT_PREFIX = "tools/exec-result-"

MODEL_PORT = 4180
"""Where the agent finds the model in a network namespace of its own: ``http://127.0.0.1:4180/v1``."""
EGRESS_PORT = 4181
"""Where a sidecar finds its way out in a network namespace of its own: ``http://127.0.0.1:4181`` is an HTTP proxy."""

# Bounds. A reader refuses what is larger without reading it.
MAX_TASK = 4 * 1024 * 1024
MAX_RESULT = 8 * 1024 * 1024
MAX_REQUEST = 1024 * 1024
MAX_TOOL_RESULT = 2 * 1024 * 1024
MAX_MANIFEST = 1024 * 1024
MAX_STREAM = 256 * 1024
MAX_PROGRESS = 64 * 1024
MAX_TOOLS = 128
MAX_SKIP = 4096


def server_dir(server: str) -> str:
    return f"{TOOLS}/{server}"


def is_hidden(name: str) -> bool:
    """A file that is not there yet: writers write to such a name and rename."""
    return name.startswith(".") or name.endswith(".tmp")
