"""Contract checks on lists: order, selectors, pages."""

from __future__ import annotations

import asyncio

import pytest

from sympozium_core.contracts.cluster import ApiError, BadRequest, Cluster
from sympozium_core.testing.cluster_kinds import WIDGET, everything, names, widget


async def fill(cluster: Cluster, namespace: str, count: int) -> None:
    await asyncio.gather(*(cluster.create(WIDGET, widget(namespace, f"w{number:03}")) for number in range(count)))


class ListChecks:
    async def test_an_empty_list(self, cluster: Cluster, namespace: str) -> None:
        page = await cluster.list(WIDGET, namespace)
        assert (page.items, page.continue_token) == ([], "")
        assert int(page.resource_version) > 0

    async def test_a_list_holds_whole_objects_in_order_of_names(self, cluster: Cluster, namespace: str) -> None:
        made = {name: await cluster.create(WIDGET, widget(namespace, name)) for name in ("b", "c", "a")}
        assert (await cluster.list(WIDGET, namespace)).items == [made["a"], made["b"], made["c"]]

    async def test_a_list_of_one_namespace_or_of_all(self, cluster: Cluster, namespace: str, other_namespace: str) -> None:
        await cluster.create(WIDGET, widget(namespace, "here"))
        await cluster.create(WIDGET, widget(other_namespace, "there"))
        assert names((await cluster.list(WIDGET, namespace)).items) == ["here"]
        assert {"here", "there"} <= set(names((await cluster.list(WIDGET)).items))

    @pytest.mark.parametrize(
        ("selector", "found"),
        [
            ("app=web", ["a", "b"]),
            ("app==web", ["a", "b"]),
            ("app!=web", ["c", "d"]),
            ("app=web,tier=front", ["a"]),
            ("app in (web, job)", ["a", "b", "c"]),
            ("app notin (web, job)", ["d"]),
            ("tier", ["a", "b"]),
            ("!tier", ["c", "d"]),
            ("tier,tier!=front", ["b"]),
            ("example.com/long-key_with.all=V_1.x", ["c"]),
            ("app=", []),
            ("app=none", []),
        ],
    )
    async def test_label_selectors(self, cluster: Cluster, namespace: str, selector: str, found: list[str]) -> None:
        labels = {
            "a": {"app": "web", "tier": "front"}, "b": {"app": "web", "tier": "back"},
            "c": {"app": "job", "example.com/long-key_with.all": "V_1.x"}, "d": {},
        }  # fmt: skip
        for name, given in labels.items():
            await cluster.create(WIDGET, widget(namespace, name, labels=given))
        assert names((await cluster.list(WIDGET, namespace, labels=selector)).items) == found

    @pytest.mark.parametrize("selector", ["app in web", "app=(", "=web", "a b", "app=b c"])
    async def test_a_label_selector_that_is_none(self, cluster: Cluster, namespace: str, selector: str) -> None:
        with pytest.raises(BadRequest):
            await cluster.list(WIDGET, namespace, labels=selector)

    async def test_field_selectors(self, cluster: Cluster, namespace: str) -> None:
        for name, phase in (("a", "Ready"), ("b", "Failed"), ("c", "")):
            await cluster.create(WIDGET, widget(namespace, name))
            if phase:
                await cluster.patch(WIDGET, namespace, name, {"status": {"phase": phase}}, subresource="status")

        async def found(fields: str) -> list[str]:
            return names((await cluster.list(WIDGET, namespace, fields=fields)).items)

        assert await found("metadata.name=b") == ["b"]
        assert await found("status.phase=Ready") == ["a"]
        assert await found("status.phase!=Ready") == ["b", "c"]
        assert await found(f"metadata.namespace={namespace},status.phase=Failed") == ["b"]

    async def test_a_field_that_cannot_be_selected(self, cluster: Cluster, namespace: str) -> None:
        with pytest.raises(BadRequest):
            await cluster.list(WIDGET, namespace, fields="spec.size=1")

    async def test_pages_hold_everything_once(self, cluster: Cluster, namespace: str) -> None:
        await fill(cluster, namespace, 23)
        items, pages = await everything(cluster, WIDGET, namespace, 5)
        assert names(items) == [f"w{number:03}" for number in range(23)]
        assert [len(page.items) for page in pages] == [5, 5, 5, 5, 3]
        assert len({page.resource_version for page in pages}) == 1

    async def test_a_page_that_holds_all_has_no_token(self, cluster: Cluster, namespace: str) -> None:
        await fill(cluster, namespace, 5)
        assert (await cluster.list(WIDGET, namespace, limit=5)).continue_token == ""

    async def test_pages_are_of_one_moment(self, cluster: Cluster, namespace: str) -> None:
        """What is written between two pages is not seen by the second."""
        await fill(cluster, namespace, 6)
        first = await cluster.list(WIDGET, namespace, limit=2)
        await cluster.delete(WIDGET, namespace, "w003")
        await cluster.patch(WIDGET, namespace, "w004", {"spec": {"size": 99}})
        await cluster.create(WIDGET, widget(namespace, "w0045"))
        second = await cluster.list(WIDGET, namespace, continue_token=first.continue_token)
        assert names(second.items) == ["w002", "w003", "w004", "w005"]
        assert {item["spec"]["size"] for item in second.items} == {1}
        assert second.resource_version == first.resource_version

    async def test_pages_of_a_selection(self, cluster: Cluster, namespace: str) -> None:
        for number in range(9):
            await cluster.create(WIDGET, widget(namespace, f"w{number}", labels={"odd": str(number % 2)}))
        items, _ = await everything(cluster, WIDGET, namespace, 2, labels="odd=1")
        assert names(items) == ["w1", "w3", "w5", "w7"]

    async def test_a_token_can_be_used_again(self, cluster: Cluster, namespace: str) -> None:
        await fill(cluster, namespace, 5)
        token = (await cluster.list(WIDGET, namespace, limit=2)).continue_token
        first = await cluster.list(WIDGET, namespace, limit=2, continue_token=token)
        assert await cluster.list(WIDGET, namespace, limit=2, continue_token=token) == first

    @pytest.mark.parametrize("token", ["garbage", "e30=", "W10="])
    async def test_a_token_that_is_none(self, cluster: Cluster, namespace: str, token: str) -> None:
        with pytest.raises(ApiError) as refused:
            await cluster.list(WIDGET, namespace, limit=2, continue_token=token)
        assert refused.value.code in (400, 410)
