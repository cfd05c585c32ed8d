"""Wiring only: what a process is made of. `embedded` is the whole control plane in one; the rest are its parts.

Nothing below may know this package. Imports inside functions are allowed here, so that a process loads what it runs and nothing else.
"""
