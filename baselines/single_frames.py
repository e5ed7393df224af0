"""A trained agent's episodes, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from baselines.extras import require
from baselines.single import load_agent, seen_by
from multiparty_envs import expect
from multiparty_envs.dynamics.arrays import take_rows
from multiparty_envs.files import replacing
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.wrappers.accrued import AccruedReturns


def draw_frames(path: Path, episodes: int = 1, seed: int = 0, out: Path | None = None) -> Path:
    """Write an animated GIF of the agent's episodes and return its path."""
    image = require("PIL.Image")
    frames = [image.fromarray(view.frame(state)) for view, state in _episodes(path, episodes, seed)]
    target = out or path / "episodes.gif"
    with replacing(target) as partial:
        frames[0].save(
            partial, format="GIF", save_all=True, append_images=frames[1:], duration=250, loop=0
        )
    return target


def draw_text(path: Path, episodes: int = 1, seed: int = 0) -> str:
    """Return the agent's episodes drawn in letters, one picture after the other."""
    return "\n\n".join(view.text(state) for view, state in _episodes(path, episodes, seed))


def _episodes(path: Path, episodes: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Yield the world's view and each state of one copy, episode after episode."""
    expect.integer(episodes, name="episodes", low=1)
    cell, policy = load_agent(path)
    world = seen_by(path, cell)
    accrued = isinstance(world, AccruedReturns)
    view = world.inner.view if isinstance(world, AccruedReturns) else world.view
    if view is None:
        raise ValueError(f"{cell.env} cannot be drawn: it has no view; try `multiparty evaluate`")
    rng = Streams(seed).numpy("actions")
    draw = Draw.seeded([seed])
    for _ in range(episodes):
        state, over = world.initial(1, draw), False
        yield view, _one(state, accrued)
        while not over:
            state = world.transition(state, policy.act(world.observe(state), rng), draw)
            over = bool(world.terminated(state)[0])
            yield view, _one(state, accrued)
        draw = draw.next_episode()


def _one(state: Any, accrued: bool) -> Any:
    """Return the state of the only copy as a view draws it."""
    return take_rows(state.inner if accrued else state, 0)
