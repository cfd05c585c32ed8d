"""Every string that two processes share, defined once: who writes it and who reads it."""

from __future__ import annotations

from enum import StrEnum

GROUP = "sympozium.ai"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
SYSTEM_NAMESPACE = "sympozium-system"
DEFAULT_NAMESPACE = "default"

# Labels, written by the run factory and the controllers, read by selectors and by people.
LABEL_INSTANCE = f"{GROUP}/instance"
LABEL_RUN = f"{GROUP}/agent-run"
LABEL_SOURCE = f"{GROUP}/source"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_PERSONA_PACK = f"{GROUP}/persona-pack"
LABEL_PERSONA = f"{GROUP}/persona"
LABEL_BUILTIN = f"{GROUP}/builtin"

# The AgentRun controller's: the pod of the run is gone before the object is.
FINALIZER_RUN = f"{GROUP}/agentrun"

# The marker in the environment of every process of a local pod, read by the sweep that ends what a crash left behind.
# It names the pod, never the run: a pod may be started before its run is known.
ENV_POD = "SYMPOZIUM_POD"
# Beside it, the name of the container: tells whose a process is that has left its parent and its session.
ENV_CONTAINER = "SYMPOZIUM_CONTAINER"

# Where one process learns of another, set by `sympozium serve` or by a Deployment.
ENV_DATA_DIR = "SYMPOZIUM_DATA_DIR"

# Entry point groups.
GROUP_PROVIDERS = "sympozium.providers"
GROUP_CHANNELS = "sympozium.channels"
GROUP_SANDBOXES = "sympozium.sandboxes"
GROUP_MEMORIES = "sympozium.memories"
GROUP_SKILLS = "sympozium.skills"
GROUP_HARNESSES = "sympozium.harnesses"
GROUP_HOOKS = "sympozium.hooks"
GROUP_BRIDGE_HOOKS = "sympozium.hooks.bridge"


class Phase(StrEnum):
    """Phases of an AgentRun, in `status.phase`."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SERVING = "Serving"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def terminal(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


class Reason(StrEnum):
    """Why a run ended, in `status.reason`: a closed list."""

    COMPLETED = "Completed"
    MODEL_ERROR = "ModelError"
    TOOL_ERROR = "ToolError"
    POLICY_DENIED = "PolicyDenied"
    BUDGET_EXCEEDED = "BudgetExceeded"
    APPROVAL_DENIED = "ApprovalDenied"
    APPROVAL_TIMEOUT = "ApprovalTimeout"
    TIMEOUT = "Timeout"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    CANCELLED = "Cancelled"
    INFRASTRUCTURE_ERROR = "InfrastructureError"


class Tool(StrEnum):
    """Tools that the core itself knows by name."""

    EXECUTE_COMMAND = "execute_command"
    READ_FILE = "read_file"
    WRITE_FILE = "write_file"
    EDIT_FILE = "edit_file"
    LIST_DIRECTORY = "list_directory"
    GREP_SEARCH = "grep_search"
    FETCH_URL = "fetch_url"
    SEND_CHANNEL_MESSAGE = "send_channel_message"
    SCHEDULE_TASK = "schedule_task"


NATIVE_TOOLS = (Tool.READ_FILE, Tool.WRITE_FILE, Tool.EDIT_FILE, Tool.LIST_DIRECTORY, Tool.GREP_SEARCH)
"""Tools that run in the agent's container: they can do no more than the agent's own code could."""

NATIVE_SERVER = "native"
"""What stands where a tool server's name would, for a tool that the runner does itself."""

# Where a container finds its volumes. A runtime that can mount puts them at the defaults and sets none of these; one that cannot
# (`process`) sets them. Paths only: nothing of the run is ever in the environment.
ENV_IPC = "SYMPOZIUM_IPC"  # default /ipc
ENV_WORKSPACE = "SYMPOZIUM_WORKSPACE"  # default /workspace
ENV_SKILLS = "SYMPOZIUM_SKILLS"  # default /skills
ENV_TMP = "SYMPOZIUM_TMP"  # default /tmp

# The bridge's own.
ENV_VOLUMES = "SYMPOZIUM_VOLUMES"  # folder with one volume a container, by container name: agent/, skill-shell/
ENV_BUS_CREDENTIAL = "SYMPOZIUM_BUS_CREDENTIAL"  # JSON file, mode 0600: {"address", "token", "pod"}
ENV_MODEL_LISTEN = "SYMPOZIUM_MODEL_LISTEN"  # "unix" (agent/model.sock), "127.0.0.1:0" or "127.0.0.1:4180"
