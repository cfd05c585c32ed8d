"""Logging in by what a kubeconfig names: a program (``exec``), or a provider that the library `kubernetes` knows (``auth-provider``).

Everything here blocks, and is called in the thread of `Credentials`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from typing import Any

from sympozium_core.clock import parse_rfc3339
from sympozium_core.cluster.credentials import Credential, bearer, ended
from sympozium_core.cluster.tls import show_certificate
from sympozium_core.contracts.cluster import Unauthorized


@dataclass(frozen=True)
class Plugin:
    """A program that prints an ExecCredential (https://kubernetes.io/docs/reference/config-api/client-authentication.v1/)."""

    settings: Mapping[str, Any]
    folder: Path
    """Of the kubeconfig: where a command with a relative path lies."""
    cluster: Mapping[str, Any]
    """What the program may be told."""
    who: str

    @property
    def command(self) -> str:
        command = str(self.settings.get("command") or "")
        return str(self.folder / command) if os.sep in command else command


def plugin_login(plugin: Plugin, tls: SSLContext, fresh_tls: Callable[[], SSLContext]) -> Credential:
    """Runs the program. A token goes with `tls`; a client certificate, with a context of its own. Raises Unauthorized."""
    status = _run(plugin)
    expires = _time(status.get("expirationTimestamp"))
    if isinstance(token := status.get("token"), str) and token.strip():
        return Credential(bearer(token.strip()), tls, expires=expires)
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if not isinstance(certificate, str) or not isinstance(key, str):
        raise Unauthorized(f"{plugin.command} gave neither a token nor a certificate and its key for {plugin.who}")
    made = fresh_tls()
    show_certificate(made, certificate, key, plugin.who)
    found = Credential({}, made, certificate=certificate.encode())
    return replace(found, expires=expires if expires is not None else ended(found))


def _run(plugin: Plugin) -> Mapping[str, Any]:
    from kubernetes.config import ConfigException
    from kubernetes.config.exec_provider import ExecProvider
    from kubernetes.config.kube_config import ConfigNode

    settings = ConfigNode("exec", {**plugin.settings, "command": plugin.command})
    try:
        status = ExecProvider(settings, None, ConfigNode("cluster", dict(plugin.cluster))).run()
    except OSError as error:
        raise Unauthorized(
            f"{plugin.who} logs in by {plugin.command!r}, which cannot be started: {error.strerror}",
            hint=str(plugin.settings.get("installHint") or "install it"),
        ) from error
    except ConfigException as error:
        raise Unauthorized(f"{plugin.command} did not log {plugin.who} in: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The library trips over its own report where the program wrote to the terminal itself.
        raise Unauthorized(
            f"{plugin.command} did not log {plugin.who} in", hint="run it yourself to see what it says"
        ) from error
    return status if isinstance(status, dict) else {}


def provider_login(provider: Mapping[str, Any], save: Callable[[], None], tls: SSLContext, who: str) -> Credential:
    """By ``oidc`` or ``gcp``; a token that has ended is renewed over the network and written back. Raises Unauthorized."""
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    config = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": {}}],
        "users": [{"name": "one", "user": {"auth-provider": provider}}],
    }
    name = str(provider.get("name"))[:50]
    found = Configuration()
    try:
        KubeConfigLoader(config, config_persister=save).load_and_set(found)
    except ConfigException as error:
        raise Unauthorized(f"the login of {who} by {name} failed: {error}") from error
    except Exception as error:  # of whichever library asks that provider; its words may hold what was sent
        raise Unauthorized(f"the login of {who} by {name} failed: {type(error).__name__}", hint="log in again") from error
    header = found.api_key.get("BearerToken")
    if not header:
        raise Unauthorized(
            f"the provider {name} gave no token for {who}", hint="use a plugin (exec): kubectl has dropped providers too"
        )
    credential = Credential({"Authorization": header}, tls)
    return replace(credential, expires=ended(credential))


def _time(text: Any) -> float | None:
    """Epoch seconds; None for none, and for what is no time."""
    try:
        return parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError:
        return None
