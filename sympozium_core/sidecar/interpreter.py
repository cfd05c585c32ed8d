"""Command lines for Python programs that need the standard library and their own package only: tool servers, and the runner.

They start without `site`: what is installed beside them (and, in a development tree, an import hook for each editable package) costs every
one of them 20 to 50 ms and gives them nothing.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_START = "import sys, runpy; module, paths = sys.argv[1:3]; del sys.argv[1:3]; sys.path[:0] = paths.split(':'); runpy.run_module(module, run_name='__main__', alter_sys=True)"


def python_command(module: str, plugin: str = "") -> list[str]:
    """The command line that runs ``module`` as ``python -m`` would, able to import its own package and `sympozium_core`; with the module of a
    `plugin`, also that, and what is installed.

    Raises ModuleNotFoundError when one of them is not installed.
    """
    places = [_place(name.partition(".")[0]) for name in (module, "sympozium_core", *([plugin] if plugin else []))]
    if plugin:
        import sysconfig  # 5 ms that others do not pay

        places += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return [sys.executable, "-S", "-P", "-c", _START, module, ":".join(dict.fromkeys(places))]


def _place(package: str) -> str:
    """The folder that an import of the package, or of a module that is in none, needs on its path."""
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    place = folders[0] if folders else spec.origin if spec is not None else None
    if place is None:
        raise ModuleNotFoundError(f"no package {package!r} is installed", name=package)
    return str(Path(place).parent)
