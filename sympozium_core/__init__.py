"""The core of Sympozium: a control plane that runs AI agents the way Kubernetes runs workloads.

Reading order, which is the life of a run: `hooks` (what a plugin may change, in the order in which a run meets it),
`contracts.provider` (what a plugin implements), `resources.agentrun` (what a user writes), `planning` (from resources to a
RunPlan), `controllers.agentrun` (one module a phase), `bridge` (the only gate), `runner.loop` (the program in the agent's
container), `gateway` (models, without keys in the pod), `ipc` (the files between them).

This module imports nothing, so that importing any part of the core costs only that part.
"""
