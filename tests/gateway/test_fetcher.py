"""One page over real sockets: which addresses are connected to, where redirects lead, and how much of an answer is taken."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.contracts.fetching import FetchPolicy, FetchRule
from sympozium_core.gateway import fetcher
from sympozium_core.gateway.fetch_request import BadFetch, FetchRequest, read
from sympozium_core.gateway.fetcher import MAX_BODY, Fetched, Fetcher, FetchFailed, Trail
from sympozium_core.testing.authority import Authority
from tests.gateway.web import Names, Server, answer, redirect

HERE = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
"""A server here is one that no policy lets anybody reach."""


def request(url: str, **arguments: Any) -> FetchRequest:
    return read(json.dumps({"attempt": 1, "call": "c1", "arguments": {"url": url, **arguments}}).encode())


class Web:
    def __init__(self, server: Server, forbidden: Server) -> None:
        self.names = Names()
        self.server, self.forbidden = server, forbidden
        self.fetcher = Fetcher(self.names.look_up, "listed")
        self.policy = FetchPolicy("p", None, (f"{HERE}/32",))
        self.trail = Trail(request("http://nowhere.example").url)
        self.names.say("good.example", HERE)

    def url(self, path: str = "/", host: str = "good.example") -> str:
        return f"http://{host}:{self.server.port}{path}"

    async def get(self, url: str, **arguments: Any) -> Fetched:
        wanted = request(url, **arguments)
        self.trail = Trail(wanted.url)
        return await self.fetcher.fetch(wanted, self.policy, self.trail)

    async def refused(self, url: str, match: str, **arguments: Any) -> FetchFailed:
        with pytest.raises(FetchFailed, match=match) as found:
            await self.get(url, **arguments)
        assert found.value.how == "refused", found.value
        return found.value


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with Server(HERE) as server, Server(ELSEWHERE) as forbidden:
        server.pages["/"] = answer("hello")
        forbidden.pages["/"] = answer("secret")
        yield Web(server, forbidden)
        assert forbidden.connections == 0


async def test_a_page(web: Web) -> None:
    found = await web.get(web.url("/?q=1"))
    assert (found.status, found.reason, found.body, found.content_type, found.cut) == (200, "OK", b"hello", "text/plain", False)
    assert (web.trail.address, web.trail.redirects) == (HERE, 0)
    [seen] = web.server.asked
    assert (seen.method, seen.target, seen.headers["host"]) == ("GET", "/?q=1", f"good.example:{web.server.port}")
    assert seen.headers["accept-encoding"] == "gzip, deflate"
    assert not {"cookie", "authorization", "referer"} & seen.headers.keys()


# Addresses


@pytest.mark.parametrize(
    "address",
    [ELSEWHERE, "::ffff:127.0.0.2", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::", "::1", "64:ff9b::7f00:2", "100.64.0.1", "224.0.0.1", "2002:7f00:2::", "fe80::1%lo"],
)  # fmt: skip
async def test_a_name_with_an_address_that_is_not_asked(web: Web, address: str) -> None:
    web.names.say("evil.example", address)
    await web.refused(f"http://evil.example:{web.forbidden.port}/", "evil.example is not asked: its address")
    assert web.trail.address == ""


async def test_one_address_of_several_is_enough_to_refuse_a_name(web: Web) -> None:
    for order in ((HERE, ELSEWHERE), (ELSEWHERE, HERE)):
        web.names.say("mixed.example", order)
        await web.refused(web.url(host="mixed.example"), ELSEWHERE)
    assert web.server.connections == 0


async def test_a_name_that_points_elsewhere_a_moment_later(web: Web) -> None:
    """Looked up once for each connection, and connected to what was looked at."""
    web.names.say("rebound.example", HERE, ELSEWHERE)
    url = f"http://rebound.example:{web.server.port}/"
    assert (await web.get(url)).body == b"hello"
    assert web.names.asked == ["rebound.example"]
    await web.refused(url, ELSEWHERE)
    assert web.names.asked == ["rebound.example"] * 2


async def test_a_redirect_to_the_same_name_is_looked_up_and_judged_again(web: Web) -> None:
    web.server.pages["/go"] = redirect("/")
    web.names.say("rebound.example", HERE, ELSEWHERE)
    await web.refused(
        f"http://rebound.example:{web.server.port}/go", f"after 1 redirect: rebound.example is not asked: .*{ELSEWHERE}"
    )


@pytest.mark.parametrize(
    "host", [ELSEWHERE, "[::ffff:127.0.0.2]", "[::1]", "169.254.169.254", "[fd00:ec2::254]", "10.1.1.1", "0.0.0.0", "[::]", "127.0.0.2.", "１２７.0.0.2"]
)  # fmt: skip
async def test_an_address_in_the_place_of_a_name(web: Web, host: str) -> None:
    await web.refused(f"http://{host}:{web.forbidden.port}/", "is not asked")
    assert web.names.asked == []


@pytest.mark.parametrize(
    "host", ["2130706434", "0x7f000002", "0x7f.0.0.2", "0177.0.0.2", "127.2", "017700000002", "127.0.0.2.."]
)
async def test_addresses_in_odd_forms(web: Web, host: str) -> None:
    with pytest.raises(BadFetch):
        await web.get(f"http://{host}:{web.forbidden.port}/")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.localhost", "good.example."])
async def test_names_of_this_machine_are_judged_by_what_they_stand_for(web: Web, name: str) -> None:
    web.names.say("localhost", ELSEWHERE)
    web.names.say("a.localhost", ELSEWHERE)
    if name == "good.example.":
        assert (await web.get(web.url(host=name))).body == b"hello"
        assert web.server.asked[0].headers["host"] == f"good.example:{web.server.port}"
    else:
        await web.refused(f"http://{name}:{web.forbidden.port}/", ELSEWHERE)


async def test_a_gateway_of_a_cluster_never_asks_itself(web: Web) -> None:
    web.fetcher = Fetcher(web.names.look_up, "never")
    await web.refused(web.url(), "is this machine's own")


async def test_names_without_an_address(web: Web) -> None:
    for name, match in (("nowhere.example", "no such host"), ("nobody-knows.example", "the resolver is away")):
        with pytest.raises(FetchFailed, match=match) as found:
            await web.get(web.url(host=name))
        assert found.value.how == "failed"


# Policy


async def test_every_hop_has_to_be_listed(web: Web) -> None:
    web.names.say("other.example", HERE)
    web.policy = FetchPolicy("p", (FetchRule("good.example", paths=("/api/",)),), (f"{HERE}/32",))
    web.server.pages["/api/x"] = redirect(web.url("/api/y", "other.example"))
    web.server.pages["/api/z"] = redirect("/admin")
    web.server.pages["/api/w"] = redirect("/api/%2e%2e/admin")
    await web.refused(web.url("/"), "does not list the path")
    await web.refused(web.url("/api/x"), "after 1 redirect: policy p does not list the host 'other.example'")
    await web.refused(web.url("/api/z"), "after 1 redirect: policy p does not list the path '/admin'")
    await web.refused(web.url("/api/w"), "after 1 redirect: policy p does not list the path '/admin'")
    assert [seen.target for seen in web.server.asked] == ["/api/x", "/api/z", "/api/w"]


async def test_what_is_sent_is_what_was_judged(web: Web) -> None:
    web.policy = FetchPolicy("p", (FetchRule("good.example", paths=("/api/",)),), (f"{HERE}/32",))
    for path in ("/api/../admin", "/api/%2e%2e/admin", "/api/%252e%252e/admin", "/api/..%2fadmin", "/api/..%5cadmin", "/api/.%2e/", "/api/..;/admin", "/api/%c0%ae%c0%ae/x"):  # fmt: skip
        await web.refused(web.url(path), "does not list the path")
    assert web.server.connections == 0


async def test_post_only_where_it_is_listed(web: Web) -> None:
    await web.refused(web.url(), "no host that may be asked with POST", method="POST", body="x")
    web.policy = FetchPolicy("p", (FetchRule("good.example", methods=("POST",)),), (f"{HERE}/32",))
    await web.refused(web.url(), "does not let 'good.example' be asked with GET")
    await web.get(web.url(), method="POST", body='{"a": 1}', headers={"Content-Type": "application/json"})
    [seen] = web.server.asked
    assert (seen.method, seen.body, seen.headers["content-type"]) == ("POST", b'{"a": 1}', "application/json")


# Redirects


@pytest.mark.parametrize(
    ("status", "sent", "then"),
    [
        ("301 Moved", "GET", "GET"),
        ("302 Found", "HEAD", "HEAD"),
        ("303 See Other", "HEAD", "HEAD"),
        ("301 Moved", "POST", "GET"),
        ("302 Found", "POST", "GET"),
        ("303 See Other", "POST", "GET"),
        ("307 Temporary", "POST", "POST"),
        ("308 Permanent", "POST", "POST"),
    ],
)
async def test_methods_of_redirects(web: Web, status: str, sent: str, then: str) -> None:
    web.policy = FetchPolicy("p", (FetchRule("good.example", methods=("GET", "POST")),), (f"{HERE}/32",))
    web.server.pages["/go"] = redirect("/", status)
    body = {"body": "data", "headers": {"content-type": "text/x", "x-mine": "1"}} if sent == "POST" else {}
    found = await web.get(web.url("/go"), method=sent, **body)
    first, second = web.server.asked
    assert (first.method, second.method, found.method) == (sent, then, then)
    assert second.body == (b"data" if then == "POST" else b"")
    assert ("content-type" in second.headers) == (then == "POST")
    assert ("x-mine" in second.headers) == (sent == "POST"), "the same origin gets them again"
    assert web.trail.redirects == 1


async def test_another_origin_gets_none_of_the_agents_headers(web: Web) -> None:
    web.names.say("other.example", HERE)
    web.server.pages["/go"] = redirect(web.url("/", "other.example"))
    await web.get(web.url("/go"), headers={"x-token": "t", "Accept-Language": "de", "User-Agent": "mine"})
    first, second = web.server.asked
    assert first.headers["x-token"] == "t"
    assert "x-token" not in second.headers
    assert (second.headers["accept-language"], second.headers["user-agent"]) == ("de", "mine")


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://good.example/", "gopher://good.example/", "http://user:pw@good.example/", "http://0x7f000001/", "http://good.example/a b", "javascript:alert(1)", "http://[::1", "data:text/plain,x"],
)  # fmt: skip
async def test_redirects_to_where_nothing_is_fetched(web: Web, location: str) -> None:
    web.server.pages["/go"] = redirect(location)
    await web.refused(web.url("/go"), "redirects to where nothing is fetched")


async def test_a_redirect_to_an_address_that_is_not_asked(web: Web) -> None:
    web.server.pages["/go"] = redirect(f"http://{ELSEWHERE}:{web.forbidden.port}/")
    await web.refused(web.url("/go"), f"after 1 redirect: {ELSEWHERE} is not asked")


async def test_five_redirects_and_no_more(web: Web) -> None:
    for number in range(1, 7):
        web.server.pages[f"/{number}"] = redirect(f"/{number - 1}" if number > 1 else "/")
    assert (await web.get(web.url("/5"))).body == b"hello"
    with pytest.raises(FetchFailed, match="more than 5 redirects"):
        await web.get(web.url("/6"))
    web.server.pages["/loop"] = redirect("/loop")
    with pytest.raises(FetchFailed, match="more than 5 redirects"):
        await web.get(web.url("/loop"))


async def test_a_redirect_without_a_place_is_an_answer(web: Web) -> None:
    web.server.pages["/go"] = answer("look elsewhere", "302 Found")
    assert (await web.get(web.url("/go"))).status == 302


# TLS


async def test_certificates_are_checked_and_https_is_not_left(web: Web, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    web.names.say("safe.example", HERE)
    web.names.say("imposter.example", HERE)
    async with Server(HERE, authority.server("safe.example")) as server:
        server.pages["/"] = answer("over tls")
        server.pages["/down"] = redirect(web.url())
        url = f"https://safe.example:{server.port}"
        with pytest.raises(FetchFailed, match=r"safe.example has no certificate that is trusted here"):
            await web.get(url)
        web.fetcher = Fetcher(web.names.look_up, "listed", authority.client)
        assert (await web.get(url)).body == b"over tls"
        with pytest.raises(FetchFailed, match=r"imposter.example has no certificate"):
            await web.get(f"https://imposter.example:{server.port}/")
        await web.refused(f"{url}/down", "redirects from https to http")
        web.server.pages["/up"] = redirect(url)
        assert (await web.get(web.url("/up"))).body == b"over tls"
    assert "/" not in [seen.target for seen in web.server.asked]


# Bounds


async def test_no_more_than_two_mebibytes_of_a_body(web: Web) -> None:
    web.server.pages["/just"] = answer(b"x" * MAX_BODY)
    web.server.pages["/long"] = answer(b"x" * (MAX_BODY + 1))
    web.server.pages["/endless"] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"y" * (4 * MAX_BODY)
    for path, cut in (("/just", False), ("/long", True), ("/endless", True)):
        found = await web.get(web.url(path))
        assert (len(found.body), found.cut) == (MAX_BODY, cut)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
async def test_a_small_body_that_says_a_lot(web: Web, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "raw": lambda data: zlib.compress(data)[2:-4]}[encoding]
    name = "deflate" if encoding == "raw" else encoding
    web.server.pages["/bomb"] = answer(pack(b"\0" * (200 * 1024 * 1024)), content_encoding=name)
    web.server.pages["/fine"] = answer(pack(b"fine" * 1000), content_encoding=name)
    found = await web.get(web.url("/bomb"))
    assert (len(found.body), found.cut) == (MAX_BODY, True)
    assert (await web.get(web.url("/fine"))).body == b"fine" * 1000


@pytest.mark.parametrize(
    ("sent", "match"),
    [
        (answer(b"not gzip at all", content_encoding="gzip"), "is not the gzip that it says"),
        (answer(b"x", content_encoding="br"), "which was not asked for"),
        (answer(b"x", content_encoding="gzip, gzip"), "which was not asked for"),
        (b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 10_000 + b"\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 500 + b"\r\n", "does not answer in HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "broke off"),
        (b"", "broke off"),
    ],
)
async def test_answers_that_are_none(web: Web, sent: bytes, match: str) -> None:
    web.server.pages["/odd"] = sent
    with pytest.raises(FetchFailed, match=match) as found:
        await web.get(web.url("/odd"))
    assert found.value.how == "failed"
    assert "yyyy" not in str(found.value)


@pytest.mark.parametrize("slow", ["silent", "dribbling", "redirecting"])
async def test_half_a_minute_for_all_of_it(web: Web, slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetcher.SECONDS == 30.0
    monkeypatch.setattr(fetcher, "SECONDS", 0.5)
    web.server.pages["/silent"] = None
    web.server.pages["/dribbling"] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx"
    web.server.stays = slow == "dribbling"
    web.server.pages["/redirecting"] = redirect("/silent")
    with pytest.raises(FetchFailed, match="did not answer whole within"):
        await web.get(web.url(f"/{slow}"))


async def test_no_cookies_no_proxies_no_netrc(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine good.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://{ELSEWHERE}:{web.forbidden.port}")
    web.server.pages["/go"] = answer(status="302 Found", location="/", set_cookie="a=b")
    await web.get(web.url("/go"))
    await web.get(web.url("/"))
    assert all(not {"cookie", "authorization"} & seen.headers.keys() for seen in web.server.asked)


# What is asked


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "ftp://good.example/"},
        {"url": "//good.example/"},
        {"url": "good.example"},
        {"url": "http://user@good.example/"},
        {"url": "http://good.example/\r\nX: y"},
        {"url": "http://good.example\\@evil.example/"},
        {"url": "http://ex%61mple.com/"},
        {"url": "http://good.example:0/"},
        {"url": "http://good.example:99999/"},
        {"url": "http://" + "a." * 200 + "example/"},
        {"url": "http://good.example/" + "a" * 5000},
        {"url": 7},
        {"url": "http://good.example/", "method": "DELETE"},
        {"url": "http://good.example/", "method": "get"},
        {"url": "http://good.example/", "body": "x"},
        {"url": "http://good.example/", "method": "POST", "body": "x" * 300_000},
        {"url": "http://good.example/", "method": "POST", "body": {"a": 1}},
        {"url": "http://good.example/", "maxChars": 100_001},
        {"url": "http://good.example/", "maxChars": 0},
        {"url": "http://good.example/", "maxChars": True},
        {"url": "http://good.example/", "headers": ["a"]},
        {"url": "http://good.example/", "headers": {"a b": "c"}},
        {"url": "http://good.example/", "headers": {"x": "a\r\nEvil: 1"}},
        {"url": "http://good.example/", "headers": {"x": 1}},
        {"url": "http://good.example/", "headers": {"x": "ü€"}},
        {"url": "http://good.example/", "headers": {f"x-{number}": "y" for number in range(21)}},
        *({"url": "http://good.example/", "headers": {name: "x"}} for name in ("Host", "Authorization", "Cookie", "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Authorization", "X-Forwarded-For", "X-HTTP-Method-Override", "Metadata-Flavor", "X-aws-ec2-metadata-token", "Expect", "Upgrade", "TE")),
    ],
)  # fmt: skip
def test_calls_that_are_refused_as_they_are(arguments: dict[str, Any]) -> None:
    with pytest.raises(BadFetch):
        read(json.dumps({"attempt": 1, "call": "c", "arguments": arguments}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"attempt": 1, "call": "c", "arguments": []}', b"[" * 100_000, b'{"attempt": "x"}']
)
def test_what_is_no_call(data: bytes) -> None:
    with pytest.raises(BadFetch):
        read(data)
