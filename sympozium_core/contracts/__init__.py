"""What a plugin implements, and the two ports on which the control plane stands. Standard library only.

One abstract class a file for what plugin packages provide (`provider`, `channel`, `sandbox`, `skill`, `harness`); the ports `cluster` and `bus` as
protocols with two implementations each; `plan`, the frozen description of a run that everything below the controller renders.
Everything may import this; this imports only `errors`, `names` and `backoff`.
"""
