"""Runs a Python tool server whose package lies in an archive beside its image: ``python -m sympozium_core.sidecar.packaged SHA256 MODULE``.

Who may write in the pod's namespace may replace the volume that the archive is in, and would run with this skill's rights: so its digest is
in the command line, which the controller wrote, and what was checked is what is imported, from a copy of the container's own.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import sys
import tempfile

from sympozium_core.names import CODE_ARCHIVE, CODE_FOLDER


def main(arguments: list[str]) -> None:
    if len(arguments) < 2:
        raise SystemExit("usage: python -m sympozium_core.sidecar.packaged SHA256 MODULE [ARGUMENT …]")
    wanted, module = arguments[:2]
    with open(f"{CODE_FOLDER}/{CODE_ARCHIVE}", "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != wanted:
        raise SystemExit("the archive of this skill's code is not the one that the run was planned with")
    copy = os.path.join(tempfile.mkdtemp(prefix="skill-"), "code.zip")
    with open(copy, "xb") as file:
        file.write(data)
    sys.path.insert(0, copy)
    sys.argv = [module, *arguments[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
