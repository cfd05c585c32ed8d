"""The code of installed packages, of a skill or of a memory backend, as one archive that Python imports from, for a container whose image does not have it.

Made without importing the package, the same bytes for the same files. Sources and their compiled form lie side by side: another Python
than this one takes the sources (https://docs.python.org/3/library/zipimport.html).
"""

from __future__ import annotations

import hashlib
import io
import py_compile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from sympozium_core.errors import Permanent
from sympozium_core.registry.requirements import needs, normal

MAX_ARCHIVE = 900 * 1024
"""Bytes: what a ConfigMap takes, with room for its other fields."""
Listed = frozenset[tuple[str, str]]
"""Distributions, by their normal names, and versions."""
_COMPILED_ELSEWHERE = (".so", ".pyd", ".dll", ".dylib")
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_IMAGE = "build an image with it (`sympozium plugins image`) and name that in sidecar.image"


@dataclass(frozen=True)
class Archive:
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def archive_of(*modules: str, beside: Listed = frozenset()) -> Archive:
    """Of the top-level packages that the modules are in; `beside` is what the image has. Raises Permanent that says what stands against it, and what
    to do instead."""
    packages = tuple(dict.fromkeys(module.partition(".")[0] for module in modules))
    folders = [_folder(package) for package in packages]
    there = {normal(found.name) for package in packages for found in _distributions(package)} | {name for name, _ in beside}
    for package in packages:
        if needed := sorted(set(_requirements(package)) - there):
            raise Permanent(
                f"package {package!r} needs {', '.join(needed)}, which the image of Python skills does not have", hint=_IMAGE
            )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in (member for folder in folders for member in _members(folder)):
            archive.writestr(zipfile.ZipInfo(name, _EARLIEST), data, zipfile.ZIP_DEFLATED)
    if buffer.tell() > MAX_ARCHIVE:
        what = " and ".join(map(repr, packages))
        raise Permanent(f"the code of package {what} has {buffer.tell()} bytes, more than {MAX_ARCHIVE}", hint=_IMAGE)
    return Archive(buffer.getvalue())


def read_list(file: Path) -> Listed:
    """Distributions and versions from the names of wheels, one a line: what an image was made from. Empty where there is no such file."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    parts = (Path(line.strip()).name.split("-") for line in lines if line.strip().endswith(".whl"))
    return frozenset((normal(part[0]), part[1]) for part in parts if len(part) >= 5)


def is_listed(module: str, listed: Listed) -> bool:
    """Whether the package of `module` is among them, in the version that is installed here."""
    return any((normal(found.name), found.version) in listed for found in _distributions(module.partition(".")[0]))


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Permanent(f"there is no package {package!r}", hint="install it where the controller runs")
    return Path(next(iter(spec.submodule_search_locations)))


def _members(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix == ".pyc" or "__pycache__" in file.parts:
            continue
        if file.suffix in _COMPILED_ELSEWHERE:
            raise Permanent(f"package {folder.name!r} has compiled code ({file.name})", hint=_IMAGE)
        name = file.relative_to(folder.parent).as_posix()
        yield name, file.read_bytes()
        if file.suffix == ".py":
            yield f"{name}c", _compiled(file, name)


def _compiled(file: Path, name: str) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".pyc") as target:
        try:
            # Unchecked: an archive never changes, and who imports from one has no times to compare.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(file), target.name, name, doraise=True, optimize=0, invalidation_mode=mode)
        except py_compile.PyCompileError as error:
            raise Permanent(f"{name} is not Python: {error.exc_value}") from error
        return Path(target.name).read_bytes()


def _requirements(package: str) -> Iterable[str]:
    for found in _distributions(package):
        yield from (name for name, _ in needs(found))


def _distributions(package: str) -> list[Distribution]:
    names = packages_distributions().get(package, [])
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(distribution(name))
        except PackageNotFoundError:
            continue
    return found
