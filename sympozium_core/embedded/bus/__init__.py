"""The bus contract on SQLite, in the server's process, and over a Unix socket for a run's bridge.

`local` is the bus itself, `server` lets bridges in, `remote` is their client (standard library and light imports only), `connect` picks
the implementation that a credential names.
"""
