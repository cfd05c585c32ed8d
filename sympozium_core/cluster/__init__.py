"""The Kubernetes API as Sympozium uses it: paths, selectors, patches, `Status` bodies, the REST client and the reflector.

Belongs here: what any client or server of that API needs. Does not: anything that knows SQLite or a kind of ours.
`embedded` may import this package, this package never imports `embedded`.
"""
