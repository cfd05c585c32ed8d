"""Pods in Linux namespaces by bubblewrap: what is mounted, how the model is reached without a network, which system calls are refused.

Folders, launcher and life cycle are those of `sympozium_sandbox_process`. `relay` runs inside the sandbox and uses the standard library alone.
"""
