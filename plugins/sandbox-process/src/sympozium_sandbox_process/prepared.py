"""A program that the launcher has loaded before it is wanted, so that starting it is a fork and nothing else (3 ms instead of 100).

For the bridge alone: it is trusted, every pod has one, and nothing of a run is in the launcher that it could take along. Everything
else is executed anew.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import runpy
import site
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

_prepared: set[str] = set()
"""Modules that are loaded."""


def _module(argv: Sequence[str]) -> str:
    """The module of ``<this python> -m <module>``; empty for any other command."""
    return argv[2] if len(argv) == 3 and argv[0] == sys.executable and argv[1] == "-m" else ""


def prepare(argv: Sequence[str]) -> None:
    """Loads the program of this command line with all that it imports. One that is of another form or cannot be loaded is left alone."""
    module = _module(argv)
    if not module or module in _prepared:
        return
    with contextlib.suppress(Exception, SystemExit):
        # The launcher itself runs without what is installed; the program is to find what it would find by itself.
        sys.path[:0] = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
        site.main()
        importlib.import_module(f"{module}.__main__")
        del sys.modules[f"{module}.__main__"]  # It is to be executed under its other name; what it imports stays.
        gc.collect()
        gc.freeze()  # Children share these pages as long as no collection writes into them.
        _prepared.add(module)


def runs(argv: Sequence[str]) -> bool:
    """Whether `run` can stand for executing this."""
    return _module(argv) in _prepared


def run(argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """In a forked child: becomes the program, and ends the process as the program ends."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [_module(argv)]
        runpy.run_module(_module(argv), run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
