"""A NATS of the operator's own, in operator mode: accounts are tokens, users have credentials files, and an account signing key is what
the control plane is given. A real nats-server with such accounts, as `docs/architecture.md`, "The bus on a cluster", says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import jwt, subjects
from sympozium_core.bus.appending import serve_appends
from sympozium_core.bus.callout import Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.run_bus import RunBus
from sympozium_core.bus.users import (
    GATEWAY_INBOX,
    GATEWAY_MAY_PUBLISH,
    GATEWAY_MAY_SUBSCRIBE,
    SYSTEM_MAY_PUBLISH,
    SYSTEM_MAY_SUBSCRIBE,
)
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.errors import Permanent
from sympozium_core.testing.bus_journal import stored
from sympozium_core.testing.nats_installation import LIMITS
from sympozium_core.testing.nats_server import NatsServer

NO_LIMITS = {"subs": -1, "data": -1, "payload": -1}
ACCOUNT_LIMITS = {**NO_LIMITS, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
JETSTREAM = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}


class Operated(NatsServer):
    """`account` is the operator's for Sympozium; `signing` is what he hands out."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory
        self.operator = KeyPair.generate(Kind.OPERATOR)
        self.system, self.account, self.signing = (KeyPair.generate(Kind.ACCOUNT) for _ in range(3))
        self.users = {name: KeyPair.generate(Kind.USER) for name in ("controller", "gateway", "system", "sentinel")}
        gateway = {"pub": {"allow": GATEWAY_MAY_PUBLISH}, "sub": {"allow": GATEWAY_MAY_SUBSCRIBE}}
        system = {"pub": {"allow": SYSTEM_MAY_PUBLISH}, "sub": {"allow": SYSTEM_MAY_SUBSCRIBE}}
        self.credentials("controller", self.signing, issuer_account=self.account.public)
        self.credentials("gateway", self.signing, issuer_account=self.account.public, **gateway)
        self.credentials("system", self.system, **system)
        super().__init__(directory, config=self._render)

    def file(self, user: str) -> Path:
        return self._folder / f"{user}.creds"

    def credentials(self, user: str, by: KeyPair, **more: Any) -> str:
        """As `nsc generate creds` writes them."""
        nats = {"type": "user", "version": 2, **NO_LIMITS, **more}
        token = jwt.sign({"sub": self.users[user].public, "name": user, "nats": nats}, by)
        self.file(user).write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n************************* IMPORTANT\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.users[user].seed}\n------END USER NKEY SEED------\n\n****\n"
        )
        return token

    def _render(self, port: int) -> str:
        def account(key: KeyPair, **nats: Any) -> str:
            return jwt.sign({"sub": key.public, "nats": {"type": "account", "version": 2, **nats}}, self.operator)

        operator = {"type": "operator", "version": 2, "system_account": self.system.public}
        system = account(self.system, limits=ACCOUNT_LIMITS)
        own = account(
            self.account,
            limits={**ACCOUNT_LIMITS, **JETSTREAM},
            signing_keys=[self.signing.public],
            authorization={"auth_users": [self.users["controller"].public, self.users["gateway"].public]},
        )
        nothing = {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}}
        sentinel = self.credentials("sentinel", self.signing, issuer_account=self.account.public, bearer_token=True, **nothing)
        return f"""
            host: "127.0.0.1"
            port: {port}
            ports_file_dir: {json.dumps(str(self._folder))}
            jetstream {{ store_dir: {json.dumps(str(self._folder / "store"))} }}
            operator: {jwt.sign({"sub": self.operator.public, "nats": operator}, self.operator)}
            system_account: {self.system.public}
            resolver: MEMORY
            resolver_preload: {{ {self.system.public}: {system}, {self.account.public}: {own} }}
            default_sentinel: {json.dumps(sentinel)}
            authorization {{ timeout: 1.8 }}
        """

    async def pod(self, pod: str, token: str) -> RunBus:
        file = self._folder / f"{pod}.token"
        file.write_text(token)
        return await RunBus.connect(self.url, pod=pod, token_file=file, patience=0)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    server = Operated(tmp_path_factory.mktemp("operated"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def controller(operated: Operated) -> AsyncIterator[JetStreamBus]:
    bus = await JetStreamBus.connect(operated.url, seed_file=operated.file("controller"), ensure_stream=True, limits=LIMITS)
    yield bus
    await bus.purge("sympozium.run.*.*")
    await bus.close()


@pytest.fixture
async def gateway(operated: Operated, controller: JetStreamBus) -> AsyncIterator[JetStreamBus]:
    bus = await JetStreamBus.connect(operated.url, seed_file=operated.file("gateway"), inbox_prefix=GATEWAY_INBOX)
    server = await serve_appends(bus)
    yield bus
    await server.close()
    await bus.close()


async def open_callout(operated: Operated, bus: JetStreamBus, pods: Any, key: KeyPair) -> Callout:
    system, control = (Login(operated.url, seed_file=operated.file(name)) for name in ("system", "controller"))
    return await Callout.open(system, control, bus, key, pods.authenticate)


@pytest.fixture
async def callout(operated: Operated, controller: JetStreamBus, pods: Any) -> AsyncIterator[Callout]:
    callout = await open_callout(operated, controller, pods, operated.signing)
    yield callout
    await callout.close()


@pytest.mark.usefixtures("gateway")
async def test_a_run_from_its_beginning_to_its_end(
    operated: Operated, callout: Callout, controller: JetStreamBus, pods: Any
) -> None:
    pods.add("right", "u1", "pod-1")
    run = await operated.pod("pod-1", "right")
    pod = subjects.journal("u1", "pod")
    assert run.run_uid == "u1"
    await run.append(pod, b"1", expected_last=0)
    control = await run.subscribe(subjects.journal("u1", "ctl"))
    await callout.revoke("pod-1")
    with pytest.raises(BusUnavailable):
        await asyncio.wait_for(anext(aiter(control)), 5)
    with pytest.raises(BusDenied):
        await operated.pod("pod-1", "right")
    assert [message.data for message in await stored(controller, pod)] == [b"1"]
    await run.close()


@pytest.mark.usefixtures("callout")
async def test_who_is_nobody_is_refused(operated: Operated) -> None:
    with pytest.raises(BusDenied):
        await operated.pod("pod-1", "wrong")


async def test_who_may_not_enter_has_no_rights_before(operated: Operated, controller: JetStreamBus) -> None:
    """The sentinel is public: it is the user of those who are asked about, and in by itself it can do nothing."""
    with pytest.raises(BusDenied):
        await JetStreamBus.connect(operated.url, seed_file=operated.file("sentinel"), timeout=5)


async def test_a_key_that_signs_for_no_account_lets_nobody_in(operated: Operated, controller: JetStreamBus, pods: Any) -> None:
    callout = await open_callout(operated, controller, pods, KeyPair.generate(Kind.ACCOUNT))
    pods.add("right", "u1", "pod-1")
    with pytest.raises(BusDenied):
        await operated.pod("pod-1", "right")
    await callout.close()


async def test_another_kind_of_key_is_refused_with_the_reason(operated: Operated, controller: JetStreamBus, pods: Any) -> None:
    with pytest.raises(Permanent, match="account key"):
        await open_callout(operated, controller, pods, operated.users["controller"])


def test_credentials_name_their_account(operated: Operated, tmp_path: Path) -> None:
    login = Login("nats://localhost", seed_file=operated.file("controller"))
    assert login.account() == operated.account.public
    assert Login("nats://localhost", seed_file=operated.file("system")).account() == operated.system.public
    (tmp_path / "seed").write_text(operated.users["controller"].seed)
    assert Login("nats://localhost", seed_file=tmp_path / "seed").account() == ""
    old = tmp_path / "old.creds"
    token = jwt.sign({"sub": "x", "exp": int(time.time()) - 5, "nats": {}}, operated.signing)
    old.write_text(
        operated.file("controller").read_text().replace(operated.file("controller").read_text().split("\n")[1], token)
    )
    with pytest.raises(Permanent, match="expired"):
        Login("nats://localhost", seed_file=old).account()
