"""A complete Kubernetes of this project's own, for its tests: built from Go modules, run in namespaces of its own, gone afterwards.

`python -m tests.kubernetes.machine run --node -- pytest tests/kubernetes` brings it up for one command; `up`, `exec` and `down` are for a
developer. It needs root, the Go compiler and a few packages of the distribution: see README.md beside this file.
"""
