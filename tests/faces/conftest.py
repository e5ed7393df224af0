"""The worlds on which every face is tried."""

import pytest


@pytest.fixture(params=["certain", "slippery", "terminal", "drift"])
def world(request, make_grid, drift):
    settings = {
        "certain": {},
        "slippery": {"slip": 0.4, "starts": (0, 3, 5)},
        "terminal": {"slip": 0.2, "terminal": (2, 8)},
    }
    return drift if request.param == "drift" else make_grid(**settings[request.param])
