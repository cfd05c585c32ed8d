"""Azure OpenAI: OpenAI's wire with other paths and another header. `provider` is what the entry point names, `address` the paths."""
