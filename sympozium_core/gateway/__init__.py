"""Models for runs that have no network and no key: calls, replay and artifacts, answered over the bus.

What belongs here: checking a hostile request body, asking the provider, journalling on `.gw`, replaying what is on record. Which run may ask
for which model is decided by the `resolve` function that `processes` passes in; vendors' formats live in the provider packages.
"""
