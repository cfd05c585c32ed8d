"""What travels between processes: subjects, framed calls, the journal's entries, and the JetStream adapter.

The port itself is `contracts.bus`; the embedded implementation is in `sympozium_core.embedded`, which may import this package.
"""
