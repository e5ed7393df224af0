"""The canvas: shapes where they should be, letters that can be read, nothing outside."""

import numpy as np
import pytest

from multiparty_envs.envs.drawing import EAST, INK, PAPER, WEST, Canvas, matrix, mix, text_width


def inked(canvas):
    return (canvas.pixels == INK).all(axis=-1)


def test_rectangle_fills_its_box():
    canvas = Canvas(20, 10)
    canvas.rectangle((3, 2, 5, 4), INK)
    expected = np.zeros((10, 20), dtype=bool)
    expected[2:6, 3:8] = True
    np.testing.assert_array_equal(inked(canvas), expected)


def test_round_corners_are_left_out():
    canvas = Canvas(20, 20)
    canvas.rectangle((0, 0, 20, 20), INK, radius=8)
    assert not inked(canvas)[0, 0]
    assert inked(canvas)[10, 0]
    assert inked(canvas)[10, 10]


@pytest.mark.parametrize("radius", [5, 9])
def test_disc_has_its_area(radius):
    canvas = Canvas(40, 40)
    canvas.disc((20, 20), radius, INK)
    dark = (PAPER[0] - canvas.pixels[..., 0].astype(float)) / (PAPER[0] - INK[0])
    assert dark.sum() == pytest.approx(np.pi * radius**2, rel=0.03)


@pytest.mark.parametrize("place", [(-30, -30), (15, 15), (100, 100)])
def test_drawing_beyond_the_edge_is_cut(place):
    canvas = Canvas(20, 20)
    canvas.disc(place, 8, INK)
    canvas.rectangle((*place, 30, 30), INK)
    assert canvas.pixels.shape == (20, 20, 3)


def test_letters_look_like_letters():
    canvas = Canvas(5, 7)
    canvas.text((0, 0), "T")
    drawn = ["".join("#" if dot else "." for dot in row) for row in inked(canvas)]
    assert drawn == ["#####", *["..#.."] * 6]


@pytest.mark.parametrize(("align", "first"), [("left", 20), ("centre", 12), ("right", 3)])
def test_text_is_aligned(align, first):
    canvas = Canvas(40, 8)
    canvas.text((20, 0), "HHH", align=align)
    assert text_width("HHH") == 17
    assert abs(int(np.flatnonzero(inked(canvas).any(axis=0))[0]) - first) <= 1


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_scale_multiplies_the_ink(scale):
    small, large = Canvas(40, 40), Canvas(40, 40)
    small.text((0, 0), "A5")
    large.text((0, 0), "A5", scale=scale)
    assert inked(large).sum() == scale**2 * inked(small).sum()


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, WEST), (1.0, EAST), (-1.0, WEST), (2.0, EAST)]
)
def test_mix_stays_between(share, expected):
    assert mix(WEST, EAST, share) == expected


def test_matrix_colours_by_sign():
    picture = matrix("title", "row", "column", np.array([[1.0, -1.0]]), limit=1.0)
    flat = picture.reshape(-1, 3)
    assert (flat == WEST).all(axis=1).any()
    assert (flat == EAST).all(axis=1).any()


def test_a_long_title_keeps_its_margin():
    picture = matrix("a title longer than its table", "row", "column", np.ones((1, 1)), limit=1.0)
    assert (picture[:, -16:] == PAPER).all()
