"""Command lines for Python programs that need the standard library and their own package only: tool servers, and the runner.

They start without `site`: what is installed beside them (and, in a development tree, an import hook for each editable package) costs every
one of them 20 to 50 ms and gives them nothing.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_START = "import sys, runpy; module, paths = sys.argv[1:3]; del sys.argv[1:3]; sys.path[:0] = paths.split(':'); runpy.run_module(module, run_name='__main__', alter_sys=True)"


def python_command(module: str) -> list[str]:
    """The command line that runs ``module`` as ``python -m`` would, able to import its own package and `sympozium_core`.

    Raises ModuleNotFoundError when the module's package is not installed.
    """
    places = dict.fromkeys(_place(name.partition(".")[0]) for name in (module, "sympozium_core"))
    return [sys.executable, "-S", "-P", "-c", _START, module, ":".join(places)]


def _place(package: str) -> str:
    """The folder that an import of the package needs on its path."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"no package {package!r} is installed", name=package)
    return str(Path(next(iter(spec.submodule_search_locations))).parent)
