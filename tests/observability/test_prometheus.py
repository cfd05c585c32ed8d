"""The skill `sre-observability` against a real Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.testing.tool_client import ToolClient

Serve = Callable[..., ToolClient]


@pytest.fixture
def sre(serve: Serve, prometheus: str) -> ToolClient:
    return serve(SKILL_PROMETHEUS_URL=prometheus + "/")


def test_one_moment(sre: ToolClient) -> None:
    lines = sre.done("prometheus_query", query="shop_orders_total").splitlines()
    assert lines[0].startswith('all with {instance="127.0.0.1:')
    assert lines[1].startswith('shop_orders_total{shop="north"} '), "the greatest first"
    assert lines[2] == 'shop_orders_total{shop="south"} 7'
    assert sre.done("prometheus_query", query="1 + 1") == "2"
    assert sre.done("prometheus_query", query="sum(shop_queue_length)") == "{} 42"
    assert "Nothing" in sre.done("prometheus_query", query="no_such_metric")
    assert "Nothing" in sre.done("prometheus_query", query="shop_queue_length", ago="1d"), "nobody watched yesterday"


def test_a_course(sre: ToolClient) -> None:
    head, series, values = sre.done("prometheus_range", query="shop_queue_length", last="30s", points=31).splitlines()
    assert head == "one value each 1 s"
    assert series.startswith("shop_queue_length{")
    assert series.endswith("min 42, mean 42, max 42, last 42")
    assert re.fullmatch(r"  (\d\d:\d\d:\d\d=42  )+\d\d:\d\d:\d\d=42", values)
    rising = sre.done("prometheus_range", query='rate(shop_orders_total{shop="north"}[10s])', last="1m")
    assert float(rising.partition("max ")[2].partition(",")[0]) > 0.5


def test_alerts(sre: ToolClient) -> None:
    (line,) = sre.done("prometheus_alerts").splitlines()
    assert line.startswith("firing QueueIsLong{")
    assert 'severity="page"' in line
    assert line.endswith("The queue of north has 42 orders.")
    assert sre.done("prometheus_alerts", containing="PAGE") == line
    assert sre.done("prometheus_alerts", containing="disk") == "None of 1 alerts has that text."


def test_names_of_metrics(sre: ToolClient) -> None:
    assert sre.done("prometheus_metrics", containing="SHOP_").splitlines() == [
        "shop_orders_total (counter) Orders that were taken.",
        "shop_queue_length (gauge)",
        "shop_stock",
    ]
    assert "No metric" in sre.done("prometheus_metrics", containing="nothing_like_it")


def test_many_series_are_cut_and_it_is_said_how_to_ask(sre: ToolClient) -> None:
    said = sre.done("prometheus_query", query="shop_stock")
    assert len(said) < 7_200
    assert said.splitlines()[-1].endswith("lines are left out: aggregate (sum by, topk) or add labels]")
    assert 'shop_stock{item="499"} 499' in said, "the greatest are kept"


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("prometheus_query", {"query": "sum by ("}, "refuses (400, the query is wrong): invalid parameter"),
        ("prometheus_query", {"query": " "}, "1 to 4000"),
        ("prometheus_query", {"query": "up", "ago": "yesterday"}, "15m, 2h"),
        ("prometheus_range", {"query": "up", "points": 1}, "2 to 60"),
        ("prometheus_range", {"query": "up", "last": "90d"}, "at most 31d"),
    ],
)
def test_what_does_not_fit_says_what_would(sre: ToolClient, tool: str, arguments: dict[str, Any], says: str) -> None:
    assert says in sre.refused(tool, **arguments)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (
            "",
            "no address is given of Prometheus: whoever runs this agent sets it, skillConfig.sre-observability.prometheus_url",
        ),
        ("prometheus:9090", "is no address"),
        ("http://127.0.0.1:9", "networkPolicy.allowedEgress"),
    ],
)
def test_an_address_that_does_not_do_is_named(serve: Serve, address: str, says: str) -> None:
    assert says in serve(SKILL_PROMETHEUS_URL=address).refused("prometheus_query", query="up")


def test_what_is_no_prometheus_is_not_taken_for_one(serve: Serve, shop: int) -> None:
    assert "does not answer as Prometheus" in serve(SKILL_PROMETHEUS_URL=f"http://127.0.0.1:{shop}").refused(
        "prometheus_alerts"
    )
