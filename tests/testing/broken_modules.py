"""Modules that do more than a plugin's may when they are imported, for every suite that looks at that."""

from __future__ import annotations

MODULES = {
    "prints": ("print('hello')", "its_module_can_be_imported_alone_and_says_nothing"),
    "fails": ("raise SystemExit(1)", "its_module_can_be_imported_alone_and_says_nothing"),
    "goes-deep": ("import sympozium_core.registry.catalogue", "its_module_imports_of_the_core_what_is_public"),
}
"""What each has as its one line, and the check that finds it."""
