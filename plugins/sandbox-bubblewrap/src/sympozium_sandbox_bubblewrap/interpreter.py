"""Which folders a Python like this one needs, so that a sandbox can show these and nothing else of the machine."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

_WHOLE = (
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/srv",
    "/sys",
    "/tmp",
    "/var",
    "/var/tmp",
)
"""Never shown as a whole, whatever asks for it."""


def folders() -> list[Path]:
    """Absolute paths, none below another: prefixes of the interpreter, folders of packages, and editable installs that lie elsewhere.

    The current folder is not among them, though Python may have it on its path: it may be anything.
    """
    found = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), *_link_chain(Path(sys.executable))]
    packages = [*site.getsitepackages(), site.getusersitepackages() if site.ENABLE_USER_SITE else ""]
    search = [*packages, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    found += [Path(each) for each in search if each]
    found += [path for each in packages if each for path in _path_files(Path(each))]
    found += _editable(sys.modules.values(), sys.meta_path)
    found += [Path(path) for name in ("sympozium_core", __package__) for path in getattr(sys.modules.get(name), "__path__", ())]
    return outermost(path for path in found if path.is_absolute() and path.exists() and allowed(path))


def allowed(path: Path) -> bool:
    """Whether a folder may be shown as a whole: not the user's home or what lies above it, nor a system folder with others' things."""
    resolved = path.resolve()
    home = Path.home().resolve()
    return str(resolved) not in _WHOLE and resolved != home and resolved not in home.parents


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Without those that lie below another."""
    kept: list[Path] = []
    for path in sorted({Path(os.path.normpath(path)) for path in paths}):
        if not any(path.is_relative_to(each) for each in kept):
            kept.append(path)
    return kept


def _link_chain(executable: Path) -> list[Path]:
    """The prefixes through which the interpreter is found: a virtual environment links to the Python that made it, maybe by way of more
    links, and each of them has to be there."""
    found = []
    path = executable
    for _ in range(16):
        if path.parent.name == "bin" and path.parent.parent != Path("/usr"):
            found.append(path.parent.parent)
            found.append(path.parent.parent.resolve())
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return found


def _path_files(packages: Path) -> list[Path]:
    """Folders that ``.pth`` files add to the path (`site`): how many editable installs work."""
    found = []
    for file in packages.glob("*.pth"):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            line = line.strip()
            if line and not line.startswith(("#", "import ", "import\t")):
                found.append(packages / line)
    return found


def _editable(modules: Iterable[ModuleType], finders: Iterable[object]) -> list[Path]:
    """Source folders behind import hooks: those of setuptools (a module with MAPPING and NAMESPACES) and of `editables`."""
    found: list[str] = []
    for module in list(modules):
        if getattr(module, "__name__", "").startswith("__editable__"):
            found += getattr(module, "MAPPING", {}).values()
            found += [path for paths in getattr(module, "NAMESPACES", {}).values() for path in paths]
    for finder in finders:
        redirections = getattr(finder, "_redirections", None)
        if isinstance(redirections, dict):
            found += [str(Path(path).parent) for path in redirections.values()]
    return [Path(path) for path in found if isinstance(path, str)]
