"""The study of winners without rewards, and theorem 8 where it says something."""

import dataclasses

import numpy as np
import pytest

import multiparty_envs as mp
from agents.audits.efficiency import dominated_in
from agents.games import exploitability, is_transitive, margins, unilateral_coverage, winner_bound
from agents.winners import pessimistic_winners, winners
from baselines.studies import find_study, grid, reward_free_games
from baselines.studies.reward_free_games import GAMES, answered
from multiparty_envs.envs.condorcet import condorcet
from multiparty_envs.rewards.preferences import PreferenceCounts

study = find_study("reward-free")


@pytest.fixture(scope="module")
def rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reward_free_games, "WORLDS", 8)
        chosen = [c for c in study.cells(2) if dict(c.knobs)["parties"] != 8]
        return [study.run(cell) for cell in chosen]


def mean(rows, kind, value, **places):
    return np.mean([r.values[value] for r in grid.where(rows, **places) if r.cell.env == kind])


def test_cells_are_every_game_at_every_place_once():
    cells = study.cells(3)
    assert len({cell.key for cell in cells}) == len(cells) == 3 * 7 * 9
    assert {cell.env for cell in cells} == set(GAMES)
    assert len(study.cells(1, full=True)) == 15 * 9


def test_answers_are_drawn_as_a_world_gives_them():
    world = condorcet(num_actions=4, num_parties=3, seed=1)
    pairs = (1 - np.eye(4)) / 12
    game = reward_free_games.Game(world.population.choice.table, pairs[None])
    counts = answered(game, 20_000, np.random.default_rng(0))
    asked = mp.offline(world, 20_000, seed=0)
    others = PreferenceCounts.from_comparisons(asked, world.observations, 4)
    # a party's answers, each counted once a direction
    assert counts.answers.sum((2, 3)) == pytest.approx(np.full((1, 3), 40_000))
    assert others.answers.sum((2, 3)) == pytest.approx(np.full((1, 3), 40_000))
    spread = 5 * np.sqrt(20_000 / 6)  # five standard errors of a pair's count
    assert np.abs(counts.answers - others.answers).max() < 2 * spread
    assert np.abs(counts.margins() - others.margins()).max() < 0.15


def test_exploitability_falls_with_the_answers(rows):
    for kind in ("even", "circle"):
        for bonus in ("paper", "averaged", "none"):
            first, last = (mean(rows, kind, f"{bonus} exploitability", n=n) for n in (50, 12_800))
            assert last < 0.5 * first


def test_pessimism_pays_where_coverage_is_skewed_and_only_there(rows):
    for parties in (2, 32):
        here = grid.where(rows, parties=parties, n=12_800)
        bold, careful = (mean(here, "skewed", f"{b} exploitability") for b in ("none", "paper"))
        assert bold > 10 * careful
        assert mean(here, "even", "none exploitability") < mean(
            here, "even", "paper exploitability"
        )


def test_trust_in_rare_answers_is_not_cured_by_more_of_the_others(rows):
    few, many = (mean(rows, "skewed", "none exploitability", n=n, parties=2) for n in (200, 12_800))
    assert many > 0.4 * few


def test_rankings_make_dominated_options_vanish_and_circles_keep_them(rows):
    assert mean(rows, "ranked", "paper tau", n=50) > 0.05
    assert mean(rows, "ranked", "paper tau", n=12_800) < 0.01
    assert mean(rows, "circle", "paper tau", n=12_800) == pytest.approx(1 / 3, abs=0.02)


def test_games_are_what_they_say():
    for seed in range(5):
        ranked, skewed = GAMES["ranked"](2, 100, seed), GAMES["skewed"](4, 100, seed)
        assert is_transitive(2 * ranked.preferences - 1).all()
        assert dominated_in(ranked.preferences).any()
        assert exploitability(np.eye(5)[:1], margins(skewed.preferences)) == pytest.approx([0.0])
        rare = skewed.pairs[0, 1:, 1:]
        assert 100 * (rare + rare.T)[np.triu_indices(4, 1)] == pytest.approx(np.ones(6))
    for make in GAMES.values():
        game = make(2, 50, 0)
        assert game.pairs.sum() == pytest.approx(1.0)
        assert np.diag(game.pairs[0]).max() == 0.0
    assert not is_transitive(2 * GAMES["circle"](2, 50, 0).preferences - 1).any()


# Theorem 8 of [Zhong2024]: with chance 1 - delta. With so many answers its bound is below 1.
def test_theorem_8_holds_on_two_hundred_random_games():
    rng = np.random.default_rng(0)
    held = spoke = 0
    for seed in range(200):
        parties, actions = int(rng.integers(1, 9)), int(rng.integers(2, 6))
        world = condorcet(num_actions=actions, num_parties=parties, conflict=1.0, seed=seed)
        weights = rng.dirichlet(np.ones(actions * (actions - 1)))
        pairs = np.zeros((actions, actions))
        pairs[~np.eye(actions, dtype=bool)] = 0.5 * weights + 0.5 / len(weights)
        game = reward_free_games.Game(world.population.choice.table, pairs[None])
        n = int(10 ** rng.uniform(1, 7))
        chances = pessimistic_winners(answered(game, n, rng), "paper", 0.1)
        truth = margins(game.preferences)
        coverage = unilateral_coverage(winners(truth), game.pairs)[0]
        bound = winner_bound(n, coverage, shape=(1, parties, actions), delta=0.1)
        held += exploitability(chances, truth)[0] <= bound
        spoke += bound < 1.0
    assert held >= 180
    assert spoke > 20


def test_tables_figure_and_verdict_tell_what_the_rows_hold(rows):
    tables = study.tables(rows)
    assert [table.title.split(" · ")[0] for table in tables[:4]] == ["Exploitability"] * 4
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    figure = study.figure(rows)
    assert [axis.get_title() for axis in figure.axes] == [
        "even, M = 2",
        "even, M = 32",
        "skewed, M = 2",
        "skewed, M = 32",
    ]
    told = study.verdict(rows)
    assert "Theorem 8 holds in 100.0%" in told
    assert study.QUESTION.endswith("?")


def test_a_part_of_the_grid_is_told_as_well(rows):
    part = [row for row in rows if row.cell.env == "circle"]
    assert len(study.tables(part)) == 3
    assert "circle" in study.verdict(part)


def test_score_runs_from_losing_all_to_losing_nothing(rows):
    for lost, expected in ((0.0, 1.0), (1.0, 0.0), (0.25, 0.75)):
        values = {f"{bonus} exploitability": lost for bonus in ("paper", "averaged", "none")}
        assert study.score(dataclasses.replace(rows[0], values=values)) == pytest.approx(expected)
    assert all(0.0 <= study.score(row) <= 1.0 for row in rows)
