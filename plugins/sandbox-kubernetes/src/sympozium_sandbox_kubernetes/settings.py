"""What an installation decides about the pods of its runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sympozium_core import names
from sympozium_core.errors import Permanent

PULL_POLICIES = ("IfNotPresent", "Always", "Never")


@dataclass(frozen=True)
class Settings:
    runner_image: str
    """Of the bridge, and of an agent that brings no image."""
    skill_image: str = ""
    """Of sidecars that an installed package serves; without one such a skill cannot start."""
    pull_policy: str = "IfNotPresent"
    longest: int = 24 * 3600
    """Seconds after which Kubernetes ends a pod that nobody has ended: a net, for each run has a deadline of its own."""
    keep_finished: int = 24 * 3600
    """Seconds after which Kubernetes deletes a pod that has ended and that nobody has removed: a net too."""

    def skill_image_with(self, variant: str) -> str:
        """``…/sympozium-skill-kubectl:0.1.0`` beside ``…/sympozium-skill:0.1.0``. Raises Permanent where the latter has no tag."""
        if not variant:
            return self.skill_image
        place, slash, last = self.skill_image.rpartition("/")
        name, _, tag = last.partition(":")
        if not tag or "@" in last:
            raise Permanent(
                f"the image with {variant} is looked for beside {self.skill_image!r}, under the same tag, and that has none",
                hint=f"name {names.ENV_SKILL_IMAGE} by a tag, or apply the SkillPack with a sidecar.image and command of its own",
            )
        return f"{place}{slash}{name}-{variant}:{tag}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises Permanent for what is missing or unknown."""
        image = environment.get(names.ENV_RUNNER_IMAGE, "")
        if not image:
            raise Permanent(
                f"{names.ENV_RUNNER_IMAGE} is not set", hint="the Deployment that `sympozium install` makes sets it"
            )
        policy = environment.get(names.ENV_IMAGE_PULL_POLICY) or cls.pull_policy
        if policy not in PULL_POLICIES:
            raise Permanent(
                f"{names.ENV_IMAGE_PULL_POLICY}={policy[:40]!r} is no pull policy", hint=f"one of {', '.join(PULL_POLICIES)}"
            )
        return cls(image, environment.get(names.ENV_SKILL_IMAGE, ""), policy)
