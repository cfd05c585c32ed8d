"""Strict local servers, one a wire format: they refuse what the vendor refuses, in the vendor's words, and misbehave on request.

`script` says what to answer, `host` serves it, one module a vendor knows the wire. For tests of providers (`sympozium_core.testing.provider`)
and for hand use: ``python -m sympozium_core.testing.servers.openai --port 8080 --script turns.yaml``.
"""
