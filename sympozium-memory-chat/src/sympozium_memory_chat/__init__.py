"""The memory backend `chat`. `notes` is what the entry point names."""
