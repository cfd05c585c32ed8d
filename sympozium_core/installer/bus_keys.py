"""The keys to a NATS of the operator's own, from files into the Secret that the control plane reads."""

from __future__ import annotations

import base64
from pathlib import Path

from sympozium_core import names
from sympozium_core.bus.nkeys import Kind, load
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.contracts.cluster import Object
from sympozium_core.errors import Permanent
from sympozium_core.installation.bus import CA_FILE, SEEDS
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import make

_CREDENTIALS = "-----BEGIN NATS USER JWT-----"


def read_keys(options: Options, folder: Path) -> Object:
    """The Secret. Raises Permanent for a file that is missing, or that is neither a seed nor credentials as `nsc` writes them."""
    data = {f"{name}.seed": _read(folder / f"{name}.seed", kind) for name, kind in SEEDS.items()}
    if options.nats_ca:
        data[CA_FILE] = _encoded((folder / CA_FILE).read_bytes())
    return {**make(options, SECRET, names.SECRET_BUS, names.COMPONENT_NATS, {"type": "Opaque"}), "data": data}


def _read(path: Path, kind: Kind) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(
            f"{path} cannot be read: {getattr(error, 'strerror', 'it is no text')}",
            hint=f"a bus of your own needs {', '.join(f'{name}.seed' for name in SEEDS)}: see docs/how-to/install-on-a-cluster.md",
        ) from error
    if not (kind is Kind.USER and text.lstrip().startswith(_CREDENTIALS)):
        load(path, kind)
    return _encoded(text.encode())


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
