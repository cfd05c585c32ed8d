"""Ollama's own API: `provider` is what the entry point names, `address` where to ask, `request` and `answers` translate both ways."""
