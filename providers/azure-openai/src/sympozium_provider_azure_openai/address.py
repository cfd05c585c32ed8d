"""Where Azure OpenAI is asked: by deployment with a dated API version, or by the v1 API.

https://learn.microsoft.com/azure/ai-foundry/openai/reference and https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sympozium_provider_openai.request import check_base_url

from sympozium_core.contracts.provider import ProviderError

DEFAULT_VERSION = "2024-10-21"
EXAMPLE = "https://my-resource.openai.azure.com"
_NOT_DATED = ("v1", "preview", "latest")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?|v1|preview|latest")


def chat_url(base: str, deployment: str, version: str = "") -> str:
    """The URL for one deployment. `base` may end in ``/openai``, ``/openai/v1`` or ``/openai/deployments/NAME`` and carry ``api-version``.

    A version in the base URL counts before `version`. Versions without a date mean the v1 API, in which the body names the deployment.
    Raises ProviderError("refused").
    """
    parts = urlsplit(check_base_url(base, EXAMPLE))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    asked = query.pop("api-version", "") or version
    if asked and not _VERSION.fullmatch(asked):
        raise ProviderError(
            "refused", f"api-version {asked[:64]!r} is not one", hint=f"for example {DEFAULT_VERSION}, or preview"
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    if path.endswith("/openai/v1") or asked in _NOT_DATED:
        root = path.removesuffix("/v1").removesuffix("/openai")
        path = f"{root}/openai/v1/chat/completions"
        if asked in ("preview", "latest"):
            query["api-version"] = asked
    else:
        root, found, named = path.partition("/openai/deployments/")
        name = named if found else quote(deployment, safe="")
        path = f"{root.removesuffix('/openai')}/openai/deployments/{name}/chat/completions"
        query["api-version"] = asked or DEFAULT_VERSION
    tail = f"?{urlencode(query)}" if query else ""
    return f"{parts.scheme}://{parts.netloc}{path}{tail}"
