"""The CustomResourceDefinitions, made from the models when they are asked for: no copy of them is shipped."""

from __future__ import annotations

from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import labels
from sympozium_core.resources.kinds import OURS

COMPONENT = "resources"


def definitions(options: Options) -> list[Object]:
    """One a kind. Deleting one deletes every object of its kind."""
    from sympozium_core.resources.crd import definition  # brings the models with it

    made = [definition(kind) for kind in OURS]
    for obj in made:
        obj["metadata"]["labels"] |= labels(options, COMPONENT)
    return made
