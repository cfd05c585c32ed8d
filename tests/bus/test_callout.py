"""Who is let onto NATS: the auth callout on a real nats-server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client

from sympozium_core.bus import jwt, subjects
from sympozium_core.bus.authorization import Issuer
from sympozium_core.bus.callout import BusUser, Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.users import AUTH, SYSTEM_INBOX
from sympozium_core.contracts.bus import BusDenied
from sympozium_core.testing.nats_installation import NatsInstallation


class TestWhoGetsIn:
    @pytest.mark.usefixtures("callout", "gateway")
    async def test_the_pod_of_a_run(self, installation: NatsInstallation, pods: Any, uid: str) -> None:
        pods.add("right", uid, "pod-1")
        run = await installation.pod("pod-1", "right")
        assert (await run.append(subjects.journal(uid, "pod"), b"x")).sequence > 0
        await run.close()

    @pytest.mark.usefixtures("callout")
    @pytest.mark.parametrize("token", ["wrong", "x" * 4000, "a b", "ü", '"}{', "${jndi}"])
    async def test_a_token_that_is_nobodys_is_refused(self, installation: NatsInstallation, token: str) -> None:
        with pytest.raises(BusDenied) as raised:
            await installation.pod("pod-1", token)
        assert token not in str(raised.value)

    @pytest.mark.usefixtures("callout")
    async def test_nobody_without_a_token(self, installation: NatsInstallation, pods: Any) -> None:
        with pytest.raises(BusDenied):
            await NatsConnection.open(Login(installation.url, ca_file=installation.ca_file), inbox_prefix="_INBOX.x")
        assert pods.asked == 0

    @pytest.mark.usefixtures("callout")
    async def test_what_is_no_token_is_not_asked_about(self, installation: NatsInstallation, pods: Any) -> None:
        """The server itself cuts a line that is too long, and tells nobody."""
        for token in ("a b", "\x00", "x" * 9000):
            client = Client()
            options = Login(installation.url, ca_file=installation.ca_file).options(client)
            with pytest.raises((nats.errors.Error, OSError)):
                await client.connect(installation.url, token=token, allow_reconnect=False, connect_timeout=5, **options)
        assert pods.asked == 0

    @pytest.mark.usefixtures("callout")
    @pytest.mark.parametrize(
        "names", [("u.>", "p"), ("*", "p"), ("u", "p.>"), ("u", "*"), ("", "p"), ("u", ""), ("u\r\n", "p"), ("u" * 200, "p")]
    )
    async def test_a_name_that_is_no_part_of_a_subject_is_refused(
        self, installation: NatsInstallation, pods: Any, names: tuple[str, str]
    ) -> None:
        pods.add("hostile", *names)
        with pytest.raises(BusDenied):
            await installation.pod("p", "hostile")

    @pytest.mark.usefixtures("callout")
    async def test_a_pod_whose_time_is_over(self, installation: NatsInstallation, pods: Any, uid: str) -> None:
        pods.add("late", uid, "pod-1", seconds=-1)
        with pytest.raises(BusDenied):
            await installation.pod("pod-1", "late")

    @pytest.mark.usefixtures("callout")
    async def test_a_pod_that_says_to_be_another(self, installation: NatsInstallation, pods: Any, uid: str) -> None:
        pods.add("right", uid, "pod-1")
        with pytest.raises(BusDenied, match="pod-2"):
            await installation.pod("pod-2", "right")

    @pytest.mark.usefixtures("callout")
    async def test_a_pod_that_has_no_run_yet_is_waited_for(
        self, until: Any, installation: NatsInstallation, pods: Any, uid: str
    ) -> None:
        waiting = asyncio.create_task(installation.pod("pod-1", "soon", patience=20))

        async def asked_twice() -> bool:
            return bool(pods.asked >= 2)

        await until(asked_twice)
        pods.add("soon", uid, "pod-1")
        run = await waiting
        assert run.run_uid == uid
        await run.close()

    async def test_one_failure_does_not_end_the_answering(
        self, installation: NatsInstallation, controller: JetStreamBus, uid: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def authenticate(token: str) -> BusUser | None:
            if token == "bad":
                raise RuntimeError(f"cannot review {token}-secret")
            if token == "hangs":
                await asyncio.sleep(60)
            return BusUser(uid=uid, pod="pod-1", expires=time.time() + 60)

        callout = await installation.callout(controller, authenticate)
        hanging = asyncio.create_task(installation.pod("pod-2", "hangs"))
        with pytest.raises(BusDenied):
            await installation.pod("pod-1", "bad")
        run = await installation.pod("pod-1", "good")
        assert not hanging.done()
        assert "bad-secret" not in caplog.text
        with pytest.raises(BusDenied):
            await hanging
        await run.close()
        await callout.close()

    async def test_more_than_it_can_hold_are_refused_at_once(
        self, installation: NatsInstallation, controller: JetStreamBus, uid: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = 0

        async def authenticate(token: str) -> BusUser | None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(60)
            return None

        monkeypatch.setattr("sympozium_core.bus.callout.MAX_AT_ONCE", 3)
        callout = await installation.callout(controller, authenticate)
        refused = await asyncio.gather(
            *(installation.pod(f"pod-{number}", "t") for number in range(10)), return_exceptions=True
        )
        assert [type(error) for error in refused] == [BusDenied] * 10
        assert asked == 3
        await callout.close()

    @pytest.mark.usefixtures("callout")
    async def test_nonsense_does_not_end_the_answering(
        self, installation: NatsInstallation, system: NatsConnection, controller: JetStreamBus, pods: Any, uid: str
    ) -> None:
        """The system's user may not publish there; a server's own requests cannot be forged by it."""
        await system.publish(AUTH, b"nonsense", reply=f"{SYSTEM_INBOX}.x")
        await controller.publish(subjects.hello("pod-1"), b"", reply="sympozium.run.run-2.inbox.x")
        await controller.publish(subjects.hello("pod-1"), b"")
        pods.add("right", uid, "pod-1")
        await (await installation.pod("pod-1", "right")).close()

    async def test_nobody_answers(self, installation: NatsInstallation) -> None:
        with pytest.raises(BusDenied):
            await installation.pod("pod-1", "right")

    async def test_connecting_takes_little(self, installation: NatsInstallation, callout: Callout, pods: Any, uid: str) -> None:
        pods.add("right", uid, "pod-1")
        began = time.monotonic()
        await (await installation.pod("pod-1", "right")).close()
        assert time.monotonic() - began < 2


class TestRequests:
    """What a server would not send is no request: `Issuer.parse` believes the server's own signature alone."""

    @pytest.fixture
    def server(self) -> KeyPair:
        return KeyPair.generate(Kind.SERVER)

    def claims(self, installation: NatsInstallation, server: KeyPair, **changes: Any) -> dict[str, Any]:
        nats = {
            "type": "authorization_request",
            "version": 2,
            "server_id": {"id": server.public},
            "user_nkey": KeyPair.generate(Kind.USER).public,
            "connect_opts": {"auth_token": "t"},
        }
        claims = {"sub": installation.account.public, "aud": "nats-authorization-request", "exp": int(time.time()) + 5}
        return {**claims, **changes, "nats": {**nats, **changes.get("nats", {})}}

    def test_a_request(self, installation: NatsInstallation, server: KeyPair) -> None:

        request = Issuer(installation.account).parse(jwt.sign(self.claims(installation, server), server).encode())
        assert (request.server, request.token) == (server.public, "t")

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "other"},
            {"sub": KeyPair.generate(Kind.ACCOUNT).public},
            {"exp": 1},
            {"nats": {"type": "user"}},
            {"nats": {"server_id": {"id": KeyPair.generate(Kind.SERVER).public}}},
            {"nats": {"server_id": "x"}},
            {"nats": {"user_nkey": KeyPair.generate(Kind.ACCOUNT).public}},
            {"nats": {"user_nkey": 1}},
            {"nats": {"connect_opts": None}},
        ],
    )
    def test_no_request(self, installation: NatsInstallation, server: KeyPair, changes: dict[str, Any]) -> None:

        with pytest.raises(jwt.BadToken):
            Issuer(installation.account).parse(jwt.sign(self.claims(installation, server, **changes), server).encode())

    def test_one_that_is_not_signed_by_a_server(self, installation: NatsInstallation) -> None:

        user = KeyPair.generate(Kind.USER)
        with pytest.raises(jwt.BadToken, match="signed by the server"):
            Issuer(installation.account).parse(jwt.sign(self.claims(installation, user), user).encode())
