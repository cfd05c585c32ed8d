"""One question to a backend's JSON API; whatever goes wrong is said with what to try."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import ToolError


@dataclass(frozen=True)
class Backend:
    name: str
    parameter: str
    """Of the skill, with its address."""
    headers: Mapping[str, str]

    def get(self, path: str, query: Mapping[str, str], call: Call) -> Any:
        """The `data` of the answer. Raises ToolError."""
        from sympozium_core.sidecar.web import Unreachable, ask

        address = self._address()
        try:
            reply = ask(call, f"{address}{path}?{urlencode(query)}", {"Accept": "application/json", **self.headers})
        except Unreachable as error:
            raise ToolError(
                f"{self.name} cannot be reached at {address}: {error}. This is nothing that you can mend: the address is the "
                f"skill's parameter {self.parameter}, and the policy has to list it in networkPolicy.allowedEgress"
            ) from error
        if not reply.well:
            raise ToolError(self._refusal(reply.status, reply.body))
        return self._data(reply.body)

    def _data(self, data: bytes) -> Any:
        try:
            found = json.loads(data)
            if found["status"] != "success":
                raise ToolError(f"{self.name}: {str(found.get('error'))[:600]}")
            return found.get("data")
        except (ValueError, KeyError, TypeError) as error:
            raise ToolError(f"what answers at {self._address()} does not answer as {self.name} does") from error

    def _refusal(self, status: int, body: bytes) -> str:
        text = body.decode("utf-8", "replace").strip()
        try:
            text = str(json.loads(text).get("error") or text)
        except (ValueError, AttributeError):
            text = text.partition("\n")[0]
        hints = {400: "the query is wrong", 401: "it wants credentials that this agent has not", 404: "is the address right?"}
        return f"{self.name} refuses ({status}{', ' + hints[status] if status in hints else ''}): {text[:600]}"

    def _address(self) -> str:
        given = os.environ.get(f"SKILL_{self.parameter.upper()}", "").rstrip("/")
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            what = f"{given[:100]!r} is no address" if given else "no address is given"
            raise ToolError(
                f"{what} of {self.name}: whoever runs this agent sets it, skillConfig.sre-observability.{self.parameter}, "
                f"such as http://{self.name.lower()}.monitoring.svc:{'9090' if self.name == 'Prometheus' else '3100'}"
            )
        return given
