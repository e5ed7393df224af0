"""Optional dependencies: a missing one is named together with the extra that brings it."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, extra: str = "baselines") -> ModuleType:
    """Import `module`, which the extra `extra` of this package installs.

    Raises:
        ImportError: saying which extra to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name != top:
            raise  # something inside the package is broken: hiding that would mislead
        raise ImportError(
            f"{top} is not installed; it comes with: pip install 'multiparty-envs[{extra}]'"
        ) from error
