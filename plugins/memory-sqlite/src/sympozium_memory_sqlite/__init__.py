"""The memory backend `sqlite`. `notes` is what the entry point names; it uses the standard library alone."""
