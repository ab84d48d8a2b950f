"""The environment, with what the command line says in its place."""

from __future__ import annotations

from collections.abc import Mapping

from ..registry import provider_for, split

__all__ = ["environment"]


def environment(environ: Mapping[str, str], model: str | None, base_url: str | None) -> dict[str, str]:
    """Return `environ` with the `AI_*` variables set to what the command line says.

    `AI_API_KEY` and `AI_BASE_URL` belong to the provider that the environment selects; when the command line selects
    another one they are left out.

    Raises:
        InvalidProviderError: `model` names no provider, and nothing else does.
    """
    env = dict(environ)
    if base_url is not None:
        env |= {"AI_PROVIDER": "compatible", "AI_BASE_URL": base_url}
        return env | {"AI_DEFAULT_MODEL": model} if model else env
    if model is None:
        return env
    prefix, _ = split(model)
    selected = env.get("AI_PROVIDER", "").strip().lower()
    if prefix is None and not selected:
        provider_for(model)  # raises: it says what is known, and what may have been meant
    if prefix is not None and prefix != (selected or split(env.get("AI_DEFAULT_MODEL", ""))[0] or "openai"):
        env.pop("AI_API_KEY", None)
        env.pop("AI_BASE_URL", None)
    return env | {"AI_PROVIDER": prefix or selected, "AI_DEFAULT_MODEL": model}
