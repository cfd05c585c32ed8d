"""Commands that have to end well."""

from __future__ import annotations

import subprocess


def run(command: list[str], **options: object) -> str:
    """Standard output of a command; ends this program with its last words where it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return str(done.stdout)
