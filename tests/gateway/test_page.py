"""What a model reads of a page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.gateway.page import page
from sympozium_core.gateway.readable import readable


def test_html_is_text_with_its_structure() -> None:
    source = """<!doctype html><html><head><title>Hi &amp; <b>there</title><style>p{}</style>
    <script>document.write("<p>never</p>")</script></head><body>
    <h1>Head</h1><p>One <b>two</b> <a class="x" href="/next?a=1&amp;b=2">link</a>,
    three.<br>four</p><!-- <p>never</p> --><ul><li>a<li>b <a href=javascript:x>c</a></ul>
    <table><tr><th>k<th>v<tr><td>1<td>2</table>x < y &lt;z&gt; &eacute;<svg><text>never</text></svg><noscript>never</noscript>
    <template>never</template><a href="#here">top</a><img alt="never"></body></html>"""
    assert readable(source).split("\n") == [
        "Hi & <b>there",
        "",
        "# Head",
        "",
        "One two link (/next?a=1&b=2), three.",
        "four",
        "",
        "- a",
        "- b c",
        "",
        "| k | v",
        "| 1 | 2",
        "",
        "x < y <z> é top",
    ]


BROKEN = st.lists(
    st.sampled_from([*"<>/!-?\"'= abp&;#\n", "<script>", "</script>", "<!--", "-->", "<a href='", "<title>", "<p>", "&amp"]),
    max_size=60,
).map("".join)


@given(BROKEN)
def test_broken_html_is_read_as_far_as_it_can_be(source: str) -> None:
    readable(source)


@given(
    st.lists(st.sampled_from(["<p>", "</p>", "<b x='>'>", "<br/>", "<!-- > -->", "<li>", '<td title="<">']), max_size=20),
    st.text("abc ", max_size=20),
)
def test_words_stay_and_tags_go(tags: list[str], words: str) -> None:
    found = readable("".join(f"{tag}{words}" for tag in tags) + words)
    assert re.sub(r"[\s|-]", "", found) == (words * (len(tags) + 1)).replace(" ", "")


@given(BROKEN)
def test_no_script_is_read(hidden: str) -> None:
    hidden = hidden.replace("</", "")
    assert "MARK" not in readable(f"<p>a<script>{hidden}MARK{hidden}</script>b")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("grüß".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grüß"),
        ("grüß".encode(), "text/plain", "grüß"),
        ("grüß".encode("utf-16"), "text/plain", "grüß"),
        (b'<meta charset="windows-1252"><p>gr\xfc\xdf', "text/html", "grüß"),
        ("日本".encode("shift_jis"), 'text/plain; charset="Shift_JIS"', "日本"),
        (b"gr\xfc", "text/plain", "gr�"),
        (b"a", "text/plain; charset=zlib", "a"),
        (b"a", "text/plain; charset=unicode_escape", "a"),
        (b"a", "text/plain; charset=no-such", "a"),
        (b"text without a type", "", "text without a type"),
        (b"\x89PNG\0", "", None),
        (b"\xff\xfe\xff", "", None),
        (b"%PDF", "application/pdf", None),
        (b"", "application/pdf", ""),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        (b"{}", "application/vnd.api+json; charset=utf-8", "{}"),
    ],
)
def test_what_is_text_and_in_which_charset(body: bytes, content_type: str, text: str | None) -> None:
    assert page(body, content_type, "GET").text == text


def test_json_of_one_long_line_gets_lines() -> None:
    found = page(b'{"a": [' + b"1," * 1000 + b"1]}", "application/json", "GET").text
    assert found is not None
    assert found.startswith('{\n "a": [\n  1,')
    assert page(b"[" * 5000, "application/json", "GET").text == "[" * 5000
