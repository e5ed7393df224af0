"""What is put on record beside results: command, versions, commit, machine."""

from __future__ import annotations

import platform
import shlex
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

RECORDED = ("multiparty-envs", "gymnasium", "numpy", "scipy", "torch", "stable-baselines3")
"""Distributions whose versions are recorded."""


_typed: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Note the arguments of the command `multiparty`, for the records of what it runs."""
    _typed[:] = map(str, arguments)


def facts() -> dict[str, Any]:
    """Return the command line, versions, commit and time of a run."""
    return {
        "command": shlex.join(["multiparty", *_typed]),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "commit": commit(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of what can change a result."""
    found = {}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found


def commit() -> str:
    """Return the commit of the checkout this file is in, or "" outside one."""
    here = Path(__file__).resolve().parent
    # the last commit that touched this package, not whatever else the checkout is part of
    command = ["git", "-C", str(here), "log", "-1", "--format=%H", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
