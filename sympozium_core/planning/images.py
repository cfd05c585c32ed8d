"""Which container images a policy lets in (`imagePolicy.allowedRegistries`), for whatever is started from one."""

from __future__ import annotations

from sympozium_core.planning.policy import EffectivePolicy


def admitted(image: str, policy: EffectivePolicy) -> bool:
    return policy.allowed_registries is None or any(comes_from(image, place) for place in policy.allowed_registries)


def why_not(image: str, whose: str, policy: EffectivePolicy) -> tuple[str, str]:
    """What to say of an image that is not admitted, and what would be."""
    return (
        f"policy {policy.name} does not allow image {image!r} of {whose}",
        f"it allows {', '.join(policy.allowed_registries or ()) or 'none'}",
    )


def comes_from(image: str, place: str) -> bool:
    """``ghcr.io/acme`` holds ghcr.io/acme/tool:1, not ghcr.io/acme-tools. An image without a registry is Docker Hub's."""
    first = image.partition("/")[0]
    if "/" not in image or not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image if '/' in image else f'library/{image}'}"
    place = place.rstrip("/")
    return image.startswith(place) and image[len(place) : len(place) + 1] in ("", "/", ":", "@")
