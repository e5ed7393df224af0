"""The welfare functions by name."""

from __future__ import annotations

from typing import Any

from multiparty_envs import expect
from multiparty_envs.welfare.additive import GeneralizedMean, Isoelastic, Nash, Utilitarian
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.ranked import GeneralizedGini, Leximin, MaxMin

WELFARES: dict[str, type[Welfare]] = {
    kind.name: kind
    for kind in (Utilitarian, Nash, MaxMin, Leximin, GeneralizedGini, GeneralizedMean, Isoelastic)
}
"""Every welfare function by its name."""


def make_welfare(name: str, **settings: Any) -> Welfare:
    """Return the welfare function called `name` with these settings.

    Raises:
        ValueError: when there is no such name or a setting is out of range.
        TypeError: when the function has no such setting.
    """
    return WELFARES[expect.choice(name, WELFARES, name="welfare")](**settings)
