"""The sandbox driver `kubernetes`: a pod of a run as one Job, rendered by pure functions and followed by one watch.

`job` puts together what `containers`, `volumes`, `security`, `network` and `placement` render, after `checks`; `status` reads what became of it.
"""
