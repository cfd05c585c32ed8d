"""The tools: what this node has, which models fit it, and how a number comes about."""

from __future__ import annotations

from typing import Annotated, Literal

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_skill_llmfit.fitting import OVERHEAD, WORK, Fit, best, gib, named, need
from sympozium_skill_llmfit.models import BITS, MODELS
from sympozium_skill_llmfit.node import GIB, read_node

Context = Annotated[int, "Tokens that a conversation may have, 512 to 1000000."]
Sessions = Annotated[int, "Conversations at the same time, 1 to 64: each needs its own context."]
GpuMemory = Annotated[float, "GiB of GPU memory to reckon with; without it, what is read from the node."]


@tool
def node_resources() -> str:
    """Processor, memory and GPUs of the node that this run is on. Another node may have more."""
    node = read_node()
    lines = [
        f"processor: {node.processor}, {node.cpus} CPUs{', ' + ', '.join(node.speedups) if node.speedups else ''}",
        f"memory: {gib(node.memory)}, of which {gib(node.available)} are available now",
        *(f"GPU: {gpu.name}, {gib(gpu.memory) if gpu.memory else 'memory unknown'}" for gpu in node.gpus),
        *(f"[{note}]" for note in node.notes),
    ]
    return "\n".join(lines)


@tool
def model_fit(
    model: Annotated[str, "Only models with this in their name, such as qwen or 8b."] = "",
    context: Context = 8192,
    sessions: Sessions = 1,
    gpu_memory: GpuMemory = 0.0,
    memory: Annotated[float, "GiB of main memory to reckon with; without it, what is available on the node now."] = 0.0,
) -> str:
    """Which open models fit, with which quantisation, on GPU or processor: the largest first. Reckoned, not tried."""
    _check(context, sessions)
    if gpu_memory < 0 or memory < 0:
        raise BadArguments("give gpu_memory and memory in GiB, above 0")
    chosen = named(model) if model else list(MODELS)
    if not chosen:
        raise BadArguments(f"there is no model {model[:60]!r} in the table; it has {', '.join(each.name for each in MODELS)}")
    node = read_node()
    # A model of one server does not spread over GPUs of different size by itself: the largest counts.
    seen = max((gpu.memory or 0 for gpu in node.gpus), default=0)
    video, main = gpu_memory * GIB or seen, memory * GIB or node.available
    fits = [best(each, main, video, context, sessions) for each in reversed(chosen)]
    head = f"for {sessions} x {context} tokens, with {gib(video)} of GPU memory and {gib(main)} of main memory, a tenth of each kept free"
    notes = [f"[{note}]" for note in node.notes] if not gpu_memory else []
    order = {"GPU": 0, "CPU": 1, "none": 2}
    lines = [_line(fit) for fit in sorted(fits, key=lambda fit: order[fit.place])]
    return brief([head, *lines, *notes], narrow="give part of a model's name")


@tool
def model_memory(
    model: Annotated[str, "Its name, such as llama3.1:8b."],
    quantisation: Annotated[
        Literal["f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m"], "How its weights are stored."
    ] = "q4_k_m",
    context: Context = 8192,
    sessions: Sessions = 1,
) -> str:
    """How much memory one model needs, and how that number comes about."""
    _check(context, sessions)
    found = named(model)
    if len(found) != 1:
        several = ", ".join(each.name for each in found or MODELS)
        raise BadArguments(f"{model[:60]!r} is {len(found)} models of the table; give one of: {several}")
    of = found[0]
    reckoned = need(of, quantisation, min(context, of.context), sessions)
    weights = f"{of.parameters:g} billion weights x {BITS[quantisation]:g} bits"
    cache = f"{sessions} x {reckoned.context} tokens x {of.cache_per_token() / 1024:.0f} KiB (2 x {of.layers} layers x {of.kv_heads} heads x {of.head_size} x 2 bytes)"
    lines = [
        f"{of.name} ({of.ollama}), {quantisation}: {gib(reckoned.total)}",
        f"  weights {gib(reckoned.weights)} = {weights}",
        f"  context {gib(reckoned.cache)} = {cache}",
        f"  server  {gib(reckoned.total - reckoned.weights - reckoned.cache)} = {gib(OVERHEAD)} + {WORK:.0%} of the weights (an estimate)",
        *([f"[it was made for {of.context} tokens: no more were reckoned with]"] if context > of.context else []),
    ]
    return "\n".join(lines)


def _check(context: int, sessions: int) -> None:
    if not 512 <= context <= 1_000_000:
        raise BadArguments(f"the argument 'context' is {context}; give 512 to 1000000 tokens")
    if not 1 <= sessions <= 64:
        raise BadArguments(f"the argument 'sessions' is {sessions}; give 1 to 64")


def _line(fit: Fit) -> str:
    what, model = fit.need, fit.need.model
    if fit.place == "none":
        return f"does not fit: {model.name}, lacks {gib(-fit.free)} even with {what.quantisation}"
    less = f", {what.context} tokens at most" if what.context == model.context else ""
    active = f", {model.active:g} of {model.parameters:g} billion weights at work" if model.active < model.parameters else ""
    return f"{fit.place}: {model.name} ({model.ollama}) with {what.quantisation}, needs {gib(what.total)}, leaves {gib(fit.free)}{active}{less}"
