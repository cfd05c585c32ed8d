"""An OpenAI chat completions body as Ollama's (https://docs.ollama.com/api/chat).

Arguments of tool calls are objects there, results name their tool, images are bare base64, and sampling parameters have names of their own. What
Ollama cannot do is refused: a parameter that does nothing would be a lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.provider import ProviderError

_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_FRAMING = ("model", "messages", "tools", "stream", "stream_options", "user", "stop", "response_format", "reasoning_effort")
_HARMLESS: Mapping[str, tuple[Any, ...]] = {"n": (1,), "tool_choice": ("auto", "none"), "parallel_tool_calls": (True,)}
_DATA_URL = re.compile(r"data:[\w/+.-]*;base64,(.+)", re.DOTALL)


def to_ollama(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The body that Ollama gets. Raises ProviderError("refused") that names the field."""
    _only_known(body)
    names: dict[str, str] = {}
    sent: dict[str, Any] = {
        "model": model,
        "stream": True,
        "messages": [_message(message, names, f"messages[{number}]") for number, message in enumerate(body["messages"])],
    }
    if body.get("tools") and body.get("tool_choice") != "none":
        sent["tools"] = [_tool(tool) for tool in body["tools"]]
    options = {theirs: body[ours] for ours, theirs in _OPTIONS.items() if body.get(ours) is not None}
    if body.get("stop") is not None:
        options["stop"] = [body["stop"]] if isinstance(body["stop"], str) else list(body["stop"])
    if options:
        sent["options"] = options
    shape = _format(body.get("response_format"))
    if shape is not None:
        sent["format"] = shape
    effort = body.get("reasoning_effort")
    if effort is not None:
        sent["think"] = False if effort == "none" else effort
    return sent


def _only_known(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if value is None or name in _FRAMING or name in _OPTIONS or value in _HARMLESS.get(name, ()):
            continue
        raise ProviderError(
            "refused", f"{name}: Ollama's API cannot do this", hint="leave it out, or use a base URL that ends in /v1"
        )


def _message(message: Mapping[str, Any], names: dict[str, str], where: str) -> dict[str, Any]:
    """`names` keeps the tool's name of each call, which a result must repeat."""
    role = "system" if message["role"] == "developer" else message["role"]
    text, images = _content(message.get("content"), f"{where}.content")
    sent: dict[str, Any] = {"role": role, "content": text}
    if images:
        sent["images"] = images
    if message.get("reasoning_content"):
        sent["thinking"] = message["reasoning_content"]
    calls = message.get("tool_calls") or ()
    if calls:
        sent["tool_calls"] = [_call(call) for call in calls]
        names.update({call["id"]: call["function"]["name"] for call in calls})
    if role == "tool":
        identity = message.get("tool_call_id", "")
        if identity not in names:
            raise ProviderError("refused", f"{where}.tool_call_id: {identity[:64]!r} is the result of no call before it")
        sent["tool_name"], sent["tool_call_id"] = names[identity], identity
    return sent


def _content(content: Any, where: str) -> tuple[str, list[str]]:
    """Text and images of a message; parts of text are lines of their own."""
    if content is None or isinstance(content, str):
        return content or "", []
    texts, images = [], []
    for number, part in enumerate(content):
        if part.get("type") == "text":
            texts.append(part["text"])
        elif part.get("type") == "image_url":
            images.append(_image(part["image_url"], f"{where}[{number}]"))
        else:
            raise ProviderError(
                "refused", f"{where}[{number}]: Ollama takes text and images, not {str(part.get('type'))[:32]!r}"
            )
    return "\n".join(texts), images


def _image(image: Any, where: str) -> str:
    url = image.get("url", "") if isinstance(image, Mapping) else image
    found = _DATA_URL.fullmatch(url)
    if not found:
        raise ProviderError("refused", f"{where}: Ollama takes images only as data", hint="a URL like data:image/png;base64,…")
    return found[1]


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    text = call["function"].get("arguments") or "{}"
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    # A model that once wrote broken arguments should see them again, not lose its conversation.
    function = {
        "name": call["function"]["name"],
        "arguments": arguments if isinstance(arguments, dict) else {"arguments": text},
    }
    return {"id": call["id"], "function": function}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    sent = {"name": function["name"], "description": function.get("description") or ""}
    sent["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
    return {"type": "function", "function": sent}


def _format(wanted: Any) -> Any:
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind == "json_object":
        return "json"
    if kind == "json_schema":
        return wanted["json_schema"].get("schema", {})
    return None
