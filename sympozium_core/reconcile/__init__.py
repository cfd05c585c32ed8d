"""The engine that knows no kind: it keeps a cache of objects and calls a reconcile function until what is equals what should be.

Belongs here: queue, informer, controller, leader, supervisor, and what every controller writes (conditions, finalizers, owners, Events).
Does not: a kind of ours, a bus, a plugin. Used by `controllers` and `processes`; uses the Cluster port alone.
"""
