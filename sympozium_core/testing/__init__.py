"""The test kit, shipped: a conformance suite for each contract, strict local servers for each wire format, and the pytest plugin.

Beside the layers: it may import any of them, and only tests import it.
"""
