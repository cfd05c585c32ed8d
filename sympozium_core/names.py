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
LABEL_RUN_UID = f"{GROUP}/agent-run-uid"  # on what the controller makes for one run: names are used again, UIDs are not
LABEL_SOURCE = f"{GROUP}/source"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_PERSONA_PACK = f"{GROUP}/persona-pack"
LABEL_PERSONA = f"{GROUP}/persona"
LABEL_BUILTIN = f"{GROUP}/builtin"
LABEL_NAMESPACE_NAME = "kubernetes.io/metadata.name"  # of every namespace, given by Kubernetes: its name
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "sympozium"

# On the pods of runs on a cluster, written by the sandbox driver; read by the bus's users, NetworkPolicies and sweeps.
LABEL_POD = f"{GROUP}/pod"
LABEL_NETWORK = f"{GROUP}/network"
LABEL_MEMORY = f"{GROUP}/memory"
COMPONENT_RUN = "agent-run"
# On the pods of MCP servers that are run on a cluster, and what is made for them, with what each was made of.
LABEL_MCP_SERVER = f"{GROUP}/mcp-server"
COMPONENT_MCP_SERVER = "mcp-server"
ANNOTATION_MADE_OF = f"{GROUP}/made-of"
# Of the pods of the event bus (app.kubernetes.io/component), written by the installation; selected by the NetworkPolicies of runs.
COMPONENT_NATS = "nats"
# On a NetworkPolicy: what it was made of, as JSON, so that it can be made again when the API server's addresses change.
ANNOTATION_NETWORK = f"{GROUP}/network"
# On what the controller makes for one run: ``namespace/name`` of the AgentRun.
ANNOTATION_PACKAGE = f"{GROUP}/package"
"""On a SkillPack of the control plane's namespace: the installed package that it is of, its version and its state."""
ANNOTATION_RUN = f"{GROUP}/agent-run"
ANNOTATION_BUS_CA = f"{GROUP}/bus-ca"
# What a bridge's projected ServiceAccount token is for: no API server takes it.
BUS_AUDIENCE = "sympozium"

# The control plane on a cluster: made by the installation or the controller, found by the others under these names.
ACCOUNT_CONTROLLER = "sympozium-controller"
SERVICE_WEBHOOK = "sympozium-webhook"
SERVICE_NATS = "sympozium-nats"
SECRET_BUS = "sympozium-bus"  # nkey seeds, one a key: see `installation.bus`
CONFIG_NATS = "sympozium-nats"
SECRET_AUTHORITY = "sympozium-authority"
SECRET_WEBHOOK_TLS = "sympozium-webhook-tls"
SECRET_NATS_TLS = "sympozium-nats-tls"
WEBHOOKS = "sympozium"  # the MutatingWebhookConfiguration, and the ValidatingWebhookConfiguration

# The AgentRun controller's: the pod of the run is gone before the object is.
FINALIZER_RUN = f"{GROUP}/agentrun"

# The marker in the environment of every process of a local pod, read by the sweep that ends what a crash left behind.
# It names the pod, never the run: a pod may be started before its run is known.
ENV_POD = "SYMPOZIUM_POD"
# Beside it, the name of the container: tells whose a process is that has left its parent and its session.
ENV_CONTAINER = "SYMPOZIUM_CONTAINER"

# Where one process learns of another, set by `sympozium serve` or by a Deployment.
ENV_DATA_DIR = "SYMPOZIUM_DATA_DIR"
# The context of the kubeconfig whose cluster commands speak to; without it (and without --context) they speak to this machine.
ENV_CONTEXT = "SYMPOZIUM_CONTEXT"

# The processes of a cluster, set by the Deployments of `sympozium install`, read by `settings`.
ENV_NAMESPACE = "SYMPOZIUM_NAMESPACE"
ENV_BUS_ADDRESS = "SYMPOZIUM_BUS_ADDRESS"  # of the bridge too: tls://host:port
ENV_BUS_SEED_FILE = "SYMPOZIUM_BUS_SEED_FILE"
ENV_BUS_CA_FILE = "SYMPOZIUM_BUS_CA_FILE"  # of the bridge too
ENV_ACCOUNT_SEED_FILE = "SYMPOZIUM_ACCOUNT_SEED_FILE"
ENV_SYSTEM_SEED_FILE = "SYMPOZIUM_SYSTEM_SEED_FILE"
ENV_SANDBOX = "SYMPOZIUM_SANDBOX"
ENV_HEALTH_PORT = "SYMPOZIUM_HEALTH_PORT"
ENV_MAX_CONCURRENT_RUNS = "SYMPOZIUM_MAX_CONCURRENT_RUNS"
ENV_MAX_RUN_HISTORY = "SYMPOZIUM_MAX_RUN_HISTORY"
ENV_WEBHOOK_PORT = "SYMPOZIUM_WEBHOOK_PORT"
ENV_CERTIFICATE_DIR = "SYMPOZIUM_CERTIFICATE_DIR"
ENV_CA_SECRET = "SYMPOZIUM_CA_SECRET"
ENV_BUS_KEYS = "SYMPOZIUM_BUS_KEYS"  # "make": the keys of the bus are the installation's own
ENV_RUNNER_IMAGE = "SYMPOZIUM_RUNNER_IMAGE"  # of agent and bridge; read by the sandbox driver
ENV_SKILL_IMAGE = "SYMPOZIUM_SKILL_IMAGE"  # of sidecars that an installed package serves; read by the sandbox driver
ENV_SKILL_IMAGE_LIST = "SYMPOZIUM_SKILL_IMAGE_LIST"  # a file with the names of the wheels in that image
ENV_SKILL_PACK = "SYMPOZIUM_SKILL_PACK"  # a sidecar's: which skill it serves
ENV_SKILL_TOOLS = "SYMPOZIUM_SKILL_TOOLS"  # a sidecar's: the tools that its SkillPack declares, as JSON
ENV_IMAGE_PULL_POLICY = "SYMPOZIUM_IMAGE_PULL_POLICY"  # read by the sandbox driver

# Entry point groups.
GROUP_PROVIDERS = "sympozium.providers"
GROUP_CHANNELS = "sympozium.channels"
GROUP_SANDBOXES = "sympozium.sandboxes"
GROUP_MEMORIES = "sympozium.memories"
GROUP_SKILLS = "sympozium.skills"
GROUP_HARNESSES = "sympozium.harnesses"
GROUP_MCP_CLIENTS = "sympozium.mcp_clients"
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


class ApprovalPhase(StrEnum):
    """Phases of a ToolApproval, in `status.phase`."""

    PENDING = "Pending"
    APPROVED = "Approved"
    DENIED = "Denied"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"  # the call, or its run, was given up


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
GATEWAY_SERVER = "gateway"
"""The tool server that is no sidecar: the bridge has its calls carried out by the gateway."""
CONTROL_SERVER = "control"
"""The tool server of what an agent asks of the control plane itself."""
CORE_SERVERS = (NATIVE_SERVER, GATEWAY_SERVER, CONTROL_SERVER)
"""Names that no skill can have. What these serve is not another's to take, in this order."""
RUNNER = "runner"
"""The harness of instances that name none: the core's own program, under a name that is no entry point's to take."""
MCP_SERVER = "mcp"
"""The tool server that speaks MCP to all of a run's MCP servers, and the skill whose package serves it."""

MEMORY_FOLDER = "/memory"
CODE_FOLDER, CODE_ARCHIVE = "/opt/sympozium/code", "code.zip"
"""Where a sidecar finds the archive with its program, where that is not in its image."""


def code_volume(sha256: str, instance_uid: str) -> str:
    """Name of the ConfigMap with the archive of that digest for the runs of an instance, which owns it."""
    return f"code-{sha256[:16]}-{instance_uid[:8]}"


# Where a container finds its volumes. A runtime that can mount puts them at the defaults and sets none of these; one that cannot
# (`process`) sets them. Paths only: nothing of the run is ever in the environment.
ENV_IPC = "SYMPOZIUM_IPC"  # default /ipc
ENV_WORKSPACE = "SYMPOZIUM_WORKSPACE"  # default /workspace
ENV_MEMORY = "SYMPOZIUM_MEMORY"  # a sidecar's: the folder of the instance's memory; default /memory
ENV_MEMORY_KB = "SYMPOZIUM_MEMORY_KB"  # how much an instance may keep there
ENV_MEMORY_BACKEND = "SYMPOZIUM_MEMORY_BACKEND"  # of the memory's own sidecar: NAME=MODULE:CLASS of what keeps the notes
ENV_SECRET = "SYMPOZIUM_SECRET"  # a sidecar's: the folder with the keys of its Secret; default where its SkillPack says
ENV_SKILLS = "SYMPOZIUM_SKILLS"  # default /skills
ENV_PROXY = "SYMPOZIUM_PROXY"  # a sidecar's, in a sandbox without a network: URL of an HTTP proxy to what the policy lists
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")  # what others call it
NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")
ENV_TMP = "SYMPOZIUM_TMP"  # default /tmp

# Of the sidecar that speaks MCP: its servers, as `contracts.mcp.told` has them.
ENV_MCP_SERVERS = "SYMPOZIUM_MCP_SERVERS"

# The bridge's own.
ENV_VOLUMES = "SYMPOZIUM_VOLUMES"  # folder with one volume a container, by container name: agent/, skill-shell/
ENV_BUS_CREDENTIAL = "SYMPOZIUM_BUS_CREDENTIAL"  # JSON file, mode 0600: {"address", "token", "pod"}
ENV_MODEL_LISTEN = "SYMPOZIUM_MODEL_LISTEN"  # "unix" (agent/model.sock), "127.0.0.1:0" or "127.0.0.1:4180"
ENV_CREDENTIALS = "SYMPOZIUM_CREDENTIALS"  # folder with one folder a container that gets a Kubernetes token
ENV_BUS_TOKEN_FILE = "SYMPOZIUM_BUS_TOKEN_FILE"  # with ENV_BUS_ADDRESS: on a cluster, in the place of the credential file
