"""The files between the containers of a pod: where they are, what is in them, how they are written and watched.

Standard library only, because the runner and the tool servers stand on it. Version 1 of the protocol is documented in docs/ipc.md; the
JSON Schemas in `schemas/` are part of it.
"""
