"""The arithmetic: how much memory a model needs with some quantisation and context, and where on this node that is."""

from __future__ import annotations

from dataclasses import dataclass

from sympozium_skill_llmfit.models import BITS, MODELS, QUANTISATIONS, Model
from sympozium_skill_llmfit.node import GIB

OVERHEAD, WORK = 0.3 * GIB, 0.05
"""Of a server besides weights and cache: its own, and its buffers as a part of the weights."""
KEPT_FREE = 0.10
"""Part of a memory that is left to others; a GPU that is filled to the brim fails with the first long prompt."""


@dataclass(frozen=True)
class Need:
    model: Model
    quantisation: str
    context: int
    weights: float
    cache: float

    @property
    def total(self) -> float:
        """Bytes."""
        return self.weights * (1 + WORK) + self.cache + OVERHEAD


@dataclass(frozen=True)
class Fit:
    need: Need
    place: str
    """``GPU``, ``CPU`` or ``none``."""
    free: float
    """Bytes that are left of what may be used."""


def need(model: Model, quantisation: str, context: int, sessions: int = 1) -> Need:
    """`context` tokens for each of `sessions` conversations at the same time."""
    weights = model.parameters * 1e9 * BITS[quantisation] / 8
    return Need(model, quantisation, context, weights, model.cache_per_token() * context * sessions)


def best(model: Model, memory: float, gpu_memory: float, context: int, sessions: int) -> Fit:
    """On the GPU with the finest quantisation that fits, down to q4; else on the processor; else on either with q3."""
    context = min(context, model.context)
    places = [("GPU", gpu_memory * (1 - KEPT_FREE)), ("CPU", memory * (1 - KEPT_FREE))]
    for formats in (QUANTISATIONS[:-1], QUANTISATIONS[-1:]):
        for place, room in places:
            for quantisation in formats:
                found = need(model, quantisation, context, sessions)
                if found.total <= room:
                    return Fit(found, place, room - found.total)
    smallest = need(model, QUANTISATIONS[-1], context, sessions)
    return Fit(smallest, "none", max(room for _, room in places) - smallest.total)


def named(name: str) -> list[Model]:
    """Models with this in their name, as their makers or as Ollama write it."""
    wanted = name.lower().strip()
    return [model for model in MODELS if wanted in model.name.lower() or wanted in model.ollama]


def gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
