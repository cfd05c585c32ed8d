"""Both ports on SQLite, in one process: the object store and its Kubernetes REST face, and the bus.

Belongs here: what holds the data directory. Nothing but the holder of its lock (`lock.py`) opens the store; everybody else
speaks to the REST face with the client of `sympozium_core.cluster`.
"""
