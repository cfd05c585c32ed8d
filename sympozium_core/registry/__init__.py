"""Plugins: the catalogue lists without importing, drivers load one by its name, the relay asks all.

Belongs here: whatever reads entry points or imports foreign code. Does not: what a plugin implements (`contracts`, `hooks`), and
any name of a plugin package.
"""
