"""OpenAI's chat completions, passed through: the provider, and the wire that other providers with the same protocol build on.

`provider` is what the entry point names and imports nothing dear; `wire` is loaded when the provider is opened. Other provider
packages may use `provider.OpenAIProvider`, `wire`, `lines` and `failures`.
"""
