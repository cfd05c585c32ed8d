"""Peers from npm for the tests, at the versions of ``tests/node/package-lock.json``: installed once into the cache, when a test first asks for one.

They run on a Node that comes with them: the conformance suite needs a newer one than many machines have.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

WANTED = Path(__file__).parent / "node"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "sympozium")
SECONDS = 600


@cache
def installed() -> Path:
    """The folder with ``node_modules``. Skips the test where there is no npm to install it with."""
    lock = (WANTED / "package-lock.json").read_bytes()
    folder = CACHE / f"npm-{hashlib.sha256(lock).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "npm.lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here, and nothing was installed before")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WANTED / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise AssertionError(f"npm ci: {done.stderr[-2000:]}")
    (folder / "complete").touch()


def node() -> str:
    """The interpreter."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}[os.uname().machine]
    return str(installed() / f"node_modules/node-linux-{machine}/bin/node")


def everything(transport: str) -> list[str]:
    """The command of the reference server: ``stdio``, ``sse`` or ``streamableHttp``; over HTTP it takes its port from PORT."""
    return [node(), str(installed() / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"), transport]


def conformance() -> list[str]:
    return [node(), str(installed() / "node_modules/@modelcontextprotocol/conformance/dist/index.js")]
