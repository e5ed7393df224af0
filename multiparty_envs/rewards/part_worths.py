"""What each person in a panel of recorded choices cares about."""

from __future__ import annotations

import numpy as np

from multiparty_envs.data import ChoicePanel
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.rewards.hierarchical import Hierarchical


def part_worths(panel: ChoicePanel) -> np.ndarray:
    """Return each person's reward per unit of each feature, [D, M], from all of their choices.

    Estimated by `Hierarchical`, by the marginal likelihood alone (a panel of many people needs no
    imagined ones) and to the last digits, in the units of the panel. Choices between two are
    comparisons, choices among more are best-of-k rankings.
    """
    two = panel.features.shape[1] == 2 and bool(panel.available.all())
    data = Comparisons.from_choices(panel) if two else Rankings.from_choices(panel)
    return Hierarchical(shrinkage=0.0, tol=1e-10).fit(data).theta_
