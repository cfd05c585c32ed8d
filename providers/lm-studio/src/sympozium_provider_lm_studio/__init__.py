"""LM Studio on the user's own machine: OpenAI's wire at another address, without a key. `provider` is what the entry point names."""
