"""One kind one module; `agentrun` is a package with one module a phase.

A controller reads state, never an event: `reconcile` gets a key, looks at what is, and brings it one step nearer to what should be.
"""
