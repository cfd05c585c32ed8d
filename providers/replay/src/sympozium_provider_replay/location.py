"""Where the cassette of an endpoint lies: a name, a path, or a base URL of the form ``file:///folder/tape.yaml``."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sympozium_core.contracts.provider import Endpoint, ProviderError

FOLDER = "cassettes"
"""Under the provider's data directory: where a cassette that is given by its name lies."""
_HINT = "a name, an absolute path in `model`, or baseURL: file:///folder/tape.yaml"


def locate(endpoint: Endpoint, data_dir: Path | None) -> Path:
    """The cassette's file. Raises ProviderError("refused")."""
    if endpoint.base_url:
        path = _from_url(endpoint.base_url)
        return path / f"{_name(endpoint.model)}.yaml" if path.is_dir() else path
    if "/" in endpoint.model or endpoint.model.endswith((".yaml", ".yml")):
        path = Path(endpoint.model).expanduser() if endpoint.model.startswith("~/") else Path(endpoint.model)
        if not path.is_absolute():
            raise ProviderError("refused", f"cassette {endpoint.model[:200]!r} is a relative path", hint=_HINT)
        return path
    if data_dir is None:
        raise ProviderError("refused", f"cassette {endpoint.model[:200]!r}: there is no folder of cassettes here", hint=_HINT)
    return data_dir / FOLDER / f"{_name(endpoint.model)}.yaml"


def _from_url(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ProviderError("refused", f"base URL {url[:200]!r} does not name a cassette", hint=_HINT)
    return Path(unquote(parts.path))


def _name(model: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", model):
        raise ProviderError(
            "refused", f"{model[:200]!r} is not the name of a cassette", hint="letters, digits, dots and dashes"
        )
    return model
