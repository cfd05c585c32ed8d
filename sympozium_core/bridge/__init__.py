"""The trusted process beside the agent: files on one side, the bus on the other, and the only gate between agent, tools and model.

What belongs here: everything that runs in the bridge's own process, one per pod, outside the sandbox. It believes nothing that it reads from a
volume. It must start in a tenth of a second: no aiohttp, pydantic, apsw; nats-py only for a ``nats://`` address, pluggy only for hooks.
"""
