"""Pods as plain processes of this machine: the launcher that keeps them, their folders, and the driver without isolation.

Other drivers for one machine derive from `local.LocalSandbox` and change only how a container's command line is made. `launcher` and what
it imports use the standard library alone: they run in a process of their own that must be small and quick to start.
"""
