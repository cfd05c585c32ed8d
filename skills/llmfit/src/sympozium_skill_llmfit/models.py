"""Open models that people run themselves: what of their architecture the memory follows from. From the configurations that their makers publish."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    name: str
    parameters: float
    """Billions, all of them: also those of experts that are not in use have to be in memory."""
    active: float
    """Billions that one token passes through."""
    layers: int
    kv_heads: int
    head_size: int
    context: int
    """Tokens that it was made for."""
    ollama: str
    """Its name in Ollama's library."""

    def cache_per_token(self, bytes_per_value: float = 2.0) -> float:
        """Bytes of keys and values for one token of context, all layers together; sliding windows, which need less, are not counted on."""
        return 2 * self.layers * self.kv_heads * self.head_size * bytes_per_value


MODELS = (
    Model("Qwen2.5 0.5B", 0.494, 0.494, 24, 2, 64, 32_768, "qwen2.5:0.5b"),
    Model("Llama 3.2 1B", 1.236, 1.236, 16, 8, 64, 131_072, "llama3.2:1b"),
    Model("Qwen2.5 1.5B", 1.544, 1.544, 28, 2, 128, 32_768, "qwen2.5:1.5b"),
    Model("Llama 3.2 3B", 3.213, 3.213, 28, 8, 128, 131_072, "llama3.2:3b"),
    Model("Qwen2.5 3B", 3.086, 3.086, 36, 2, 128, 32_768, "qwen2.5:3b"),
    Model("Mistral 7B", 7.248, 7.248, 32, 8, 128, 32_768, "mistral:7b"),
    Model("Qwen2.5 7B", 7.616, 7.616, 28, 4, 128, 32_768, "qwen2.5:7b"),
    Model("Llama 3.1 8B", 8.030, 8.030, 32, 8, 128, 131_072, "llama3.1:8b"),
    Model("Qwen3 8B", 8.191, 8.191, 36, 8, 128, 40_960, "qwen3:8b"),
    Model("Gemma 2 9B", 9.242, 9.242, 42, 8, 256, 8_192, "gemma2:9b"),
    Model("Phi-4 14B", 14.660, 14.660, 40, 10, 128, 16_384, "phi4:14b"),
    Model("Qwen2.5 14B", 14.770, 14.770, 48, 8, 128, 32_768, "qwen2.5:14b"),
    Model("Qwen3 30B A3B", 30.532, 3.345, 48, 4, 128, 40_960, "qwen3:30b-a3b"),
    Model("Qwen2.5 Coder 32B", 32.764, 32.764, 64, 8, 128, 32_768, "qwen2.5-coder:32b"),
    Model("Mixtral 8x7B", 46.703, 12.879, 32, 8, 128, 32_768, "mixtral:8x7b"),
    Model("Llama 3.3 70B", 70.554, 70.554, 80, 8, 128, 131_072, "llama3.3:70b"),
    Model("Qwen2.5 72B", 72.706, 72.706, 80, 8, 128, 32_768, "qwen2.5:72b"),
)

BITS = {"f16": 16.0, "q8_0": 8.5, "q6_k": 6.56, "q5_k_m": 5.69, "q4_k_m": 4.85, "q3_k_m": 3.91}
"""Bits of a weight as llama.cpp and Ollama store it, scales included: what files of these formats come to."""
QUANTISATIONS = tuple(BITS)
