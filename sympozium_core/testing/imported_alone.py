"""A plugin's module in a process of its own: what it says and loads when it is imported and nothing else is."""

from __future__ import annotations

import subprocess
import sys

SECONDS = 60.0


def imported_alone(module: str, then: str = "", first: str = "") -> subprocess.CompletedProcess[str]:
    """`first` and `then` are statements before and after."""
    path = [path for path in sys.path if path]
    code = f"import sys; sys.path[:] = {path!r}; {first or 'pass'}; import {module}; {then}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False)
