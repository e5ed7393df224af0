"""Whether a welfare function is one: concave, monotone, with supergradients, batched."""

from __future__ import annotations

import numpy as np

from multiparty_envs.checks.claims import claim
from multiparty_envs.welfare import Welfare

PROFILES = 200


def check_welfare(
    welfare: Welfare, *, num_parties: int = 4, seed: int = 0, on_torch: bool = True
) -> None:
    """Check `value` and `weights` on random positive profiles.

    Shapes for any leading axes; never worse off when a party gains; concave; `weights` is a
    supergradient, and the gradient by finite differences; every axiom that is claimed; and,
    where `on_torch`, the same numbers on torch, and no value asked for on the "meta" device.

    Args:
        welfare: the function.
        num_parties: M, where its settings are for a certain number.
        seed: draws the profiles.
        on_torch: try torch tensors too.

    Raises:
        AssertionError: saying which promise is broken.
    """
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(0.2, 3.0, size=(2, PROFILES, num_parties))
    _check_shapes(welfare, u)
    _check_monotone(welfare, u, v)
    _check_concave(welfare, u, v)
    _check_gradient(welfare, u, rng)
    for axiom in welfare.satisfies:
        broken = axiom.violations(welfare, u)
        claim(not broken, f"claims {axiom.name!r}, broken at profile {u[broken[:1]]}")
    if on_torch:
        _check_torch(welfare, u)


def _check_shapes(welfare: Welfare, u: np.ndarray) -> None:
    for shape in ((), (PROFILES,), (2, PROFILES // 2)):
        profile = u[0] if not shape else u.reshape(*shape, -1)
        value, weights = np.asarray(welfare.value(profile)), np.asarray(welfare.weights(profile))
        claim(value.shape == shape, f"value of {profile.shape} should be {shape}: {value.shape}")
        fits = weights.shape == profile.shape
        claim(fits, f"weights of {profile.shape} should have that shape, have {weights.shape}")
        claim(np.isfinite(value).all() and np.isfinite(weights).all(), "should be finite")
    alone = [float(welfare.value(row)) for row in u]
    claim(np.allclose(alone, welfare.value(u), rtol=1e-12), "a batch should be its rows")


def _check_monotone(welfare: Welfare, u: np.ndarray, v: np.ndarray) -> None:
    claim((np.asarray(welfare.weights(u)) >= 0.0).all(), "weights should never be negative")
    gain = np.asarray(welfare.value(u + v)) - np.asarray(welfare.value(u))
    claim((gain >= -1e-12).all(), f"value falls by {-gain.min():g} when every party gains")


def _check_concave(welfare: Welfare, u: np.ndarray, v: np.ndarray) -> None:
    value_u, value_v = np.asarray(welfare.value(u)), np.asarray(welfare.value(v))
    lack = (value_u + value_v) / 2 - np.asarray(welfare.value((u + v) / 2))
    claim(lack.max() <= 1e-9, f"value is not concave: a mean profile lacks {lack.max():g}")
    tangent = value_u + (np.asarray(welfare.weights(u)) * (v - u)).sum(axis=-1)
    above = value_v - tangent
    claim(above.max() <= 1e-9, f"weights is no supergradient: {above.max():g} above the tangent")


def _check_gradient(welfare: Welfare, u: np.ndarray, rng: np.random.Generator) -> None:
    """Compare slopes along random directions; random profiles lie on no kink."""
    step = 1e-6 * rng.normal(size=u.shape)
    rise = np.asarray(welfare.value(u + step)) - np.asarray(welfare.value(u - step))
    promised = 2.0 * (np.asarray(welfare.weights(u)) * step).sum(axis=-1)
    # the median: a step may still cross a kink somewhere
    off = np.abs(rise - promised) / np.abs(step).max(axis=-1)
    claim(np.median(off) < 1e-6, f"weights is off the slope of value by {np.median(off):g}")


def _check_torch(welfare: Welfare, u: np.ndarray) -> None:
    import torch

    for name in ("value", "weights"):
        ours = getattr(welfare, name)(u)
        theirs = getattr(welfare, name)(torch.tensor(u))
        claim(isinstance(theirs, torch.Tensor), f"{name} of a tensor should be a tensor")
        claim(np.allclose(ours, theirs.numpy(), rtol=1e-9), f"{name} differs on torch")
        empty = getattr(welfare, name)(torch.tensor(u, device="meta"))
        claim(empty.device.type == "meta", f"{name} left the device")
