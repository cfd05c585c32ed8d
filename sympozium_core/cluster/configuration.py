"""A context of a kubeconfig, made into a `Transport` with credentials that stay fresh."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from sympozium_core.cluster.credentials import Credential, Credentials, bearer, static, token_file
from sympozium_core.cluster.impersonation import impersonation
from sympozium_core.cluster.kubeconfig import Chosen, Entry, choose
from sympozium_core.cluster.login import Plugin, plugin_login, provider_login
from sympozium_core.cluster.tls import show_certificate, trusting, trusting_anyone
from sympozium_core.cluster.transport import Transport, tcp_connector
from sympozium_core.errors import Permanent
from sympozium_core.names import DEFAULT_NAMESPACE

log = logging.getLogger(__name__)


def kubeconfig_transport(
    path: Path | str | None = None, context: str | None = None, *, warn: Callable[[str], None] | None = None
) -> Transport:
    """As kubectl finds it: `path`, else the files of KUBECONFIG, else ~/.kube/config; `context`, else the current one.

    Raises Permanent. Plugins that log in are not run yet: their errors come with the first request, as Unauthorized.
    """
    chosen = choose(path, context)
    address = chosen.cluster.text("server").rstrip("/")
    server = urlsplit(address)
    if server.scheme not in ("http", "https") or not server.hostname:
        raise Permanent(
            f"cluster {chosen.cluster.name!r} of the kubeconfig has the server {address[:100]!r}",
            hint="such as https://host:6443",
        )
    if server.username or server.password:
        raise Permanent(f"the server of cluster {chosen.cluster.name!r} holds a user name", hint="put it into the user's entry")
    who = f"user {chosen.user.name!r} of context {chosen.context.name!r}"
    return Transport(
        address,
        tcp_connector,
        _credentials(chosen, server, who, warn),
        where=address,
        who=who,
        namespace=chosen.context.text("namespace") or DEFAULT_NAMESPACE,
        server_name=chosen.cluster.text("tls-server-name") or None,
        proxy=_proxy(chosen.cluster, server),
        headers=_acting(chosen.user),
    )


def _credentials(chosen: Chosen, server: SplitResult, who: str, warn: Callable[[str], None] | None) -> Credentials:
    user = chosen.user
    if server.scheme != "https":  # as kubectl: what everybody on the way can read carries no credentials
        return static(Credential())
    if chosen.cluster.values.get("insecure-skip-tls-verify") is True:
        text = f"the certificate of {server.netloc} is not checked (insecure-skip-tls-verify): it may be anybody who answers"
        log.warning(text)
        if warn is not None:
            warn(text)
        fresh_tls = trusting_anyone
    else:
        fresh_tls = partial(trusting, chosen.cluster.pem("certificate-authority") or None)
    tls = fresh_tls()
    certificate = user.pem("client-certificate")
    if certificate:
        show_certificate(tls, certificate, user.pem("client-key"), who)
    if file := user.file("tokenFile"):
        return token_file(file, tls=tls)
    if token := user.text("token").strip():
        return static(Credential(bearer(token), tls))
    if isinstance(settings := user.values.get("exec"), dict):
        plugin = Plugin(settings, user.folder, _told(chosen.cluster), who)
        return Credentials(partial(plugin_login, plugin, tls, fresh_tls))
    if isinstance(provider := user.values.get("auth-provider"), dict):
        return Credentials(partial(provider_login, provider, chosen.save, tls, who))
    if name := user.text("username"):
        pair = base64.b64encode(f"{name}:{user.text('password')}".encode()).decode()
        return static(Credential({"Authorization": f"Basic {pair}"}, tls))
    return static(Credential({}, tls, certificate=certificate.encode()))


def _told(cluster: Entry) -> dict[str, object]:
    """What a plugin may be told of the cluster: the authority as data, since files are relative to ours."""
    told = {key: value for key, value in cluster.values.items() if key != "certificate-authority"}
    if authority := cluster.pem("certificate-authority"):
        told["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    return told


def _proxy(cluster: Entry, server: SplitResult) -> str | None:
    """The cluster's own, else the environment's; as in kubectl, none for this machine."""
    if own := cluster.text("proxy-url"):
        if urlsplit(own).scheme not in ("http", "https"):
            raise Permanent(
                f"proxy-url of cluster {cluster.name!r} is a {urlsplit(own).scheme or 'nameless'} proxy",
                hint="use an http proxy",
            )
        return own
    host = server.hostname or ""
    if _this_machine(host) or proxy_bypass(host):
        return None
    return getproxies().get(server.scheme)


def _this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _acting(user: Entry) -> tuple[tuple[str, str], ...]:
    """On whose behalf the user's entry says that it asks (``as``)."""
    if not user.text("as"):
        return ()
    try:
        groups = [str(group) for group in user.values.get("as-groups") or ()]
        extra = {str(key): [str(one) for one in values] for key, values in (user.values.get("as-user-extra") or {}).items()}
    except (AttributeError, TypeError) as error:
        raise Permanent(f"as-groups or as-user-extra of user {user.name!r} in the kubeconfig is no list") from error
    return impersonation(user.text("as"), groups, uid=user.text("as-uid"), extra=extra)
