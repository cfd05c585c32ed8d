"""YAML as people write it: in the order of the data, equal parts written out twice, text of several lines as a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def written(documents: Sequence[Any], **options: Any) -> str:
    """`options` are those of `yaml.dump_all`, such as ``width`` and ``explicit_start``."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, **options))
