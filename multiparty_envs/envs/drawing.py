"""A small canvas in pure NumPy: rectangles, discs and letters, for pictures of environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np


class Colour(NamedTuple):
    """Red, green, blue, each 0..255."""

    red: int
    green: int
    blue: int


PAPER = Colour(250, 248, 243)
INK = Colour(43, 45, 51)
FAINT = Colour(146, 148, 152)
LINE = Colour(222, 218, 208)
WEST = Colour(52, 107, 158)
EAST = Colour(214, 112, 40)
GOOD = Colour(74, 140, 90)
# the order in which parties or attributes are coloured
PALETTE = (WEST, EAST, GOOD, Colour(133, 88, 150), Colour(176, 137, 38), Colour(63, 142, 144))

GLYPH_WIDTH = 6  # five columns and a gap
# the classic 5x7 letters; each five columns, lowest bit on top, in hexadecimal
_GLYPHS = """
A7E1111117E B7F49494936 C3E41414122 D7F4141413E E7F49494941 F7F09090901 G3E41415173
H7F0808087F I00417F4100 J2040413F01 K7F08142241 L7F40404040 M7F021C027F N7F0408107F
O3E4141413E P7F09090906 Q3E4151215E R7F09192946 S2649494932 T01017F0101 U3F4040403F
V1F2040201F W3F4038403F X6314081463 Y0304780403 Z61594D4341 a2054545478 b7F44444438
c3844444428 d384444447F e3854545418 f00087E0902 g18A4A49C78 h7F08040478 i00447D4000
j0040803D00 k7F10284400 l00417F4000 m7C04780478 n7C08040478 o3844444438 pFC18242418
q18242418FC r7C08040408 s4854545424 t04043F4424 u3C4040207C v1C2040201C w3C4030403C
x4428102844 y4C9090907C z4464544C44 03E5149453E 100427F4000 27249494946 32141494D33
41814127F10 52745454539 63C4A494931 74121110907 83649494936 9064949291E .0060600000
-0808080808 +08083E0808 /2010080402 :0000140000 %2313086462 >4122140800 <0814224100
=1414141414 (001C224100 )0041221C00
"""
_FONT = {item[0]: bytes.fromhex(item[1:].ljust(10, "0")) for item in _GLYPHS.split()}


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that is `share` of `second` and the rest of `first`."""
    share = min(max(share, 0.0), 1.0)
    return Colour(*(round(a + (b - a) * share) for a, b in zip(first, second, strict=True)))


def text_width(text: str, scale: int = 1) -> int:
    """Return how many pixels wide `text` is drawn."""
    return (len(text) * GLYPH_WIDTH - 1) * scale


@final
class Canvas:
    """A picture being drawn. Places are (x, y) in pixels from the upper left corner.

    Attributes:
        pixels: uint8 [height, width, 3].
    """

    def __init__(self, width: int, height: int, colour: Colour = PAPER) -> None:
        self.pixels = np.empty((height, width, 3), dtype=np.uint8)
        self.pixels[:] = colour

    def rectangle(
        self, box: tuple[float, float, float, float], colour: Colour, radius: float = 0.0
    ) -> None:
        """Fill the box (x, y, width, height), its corners rounded by `radius`."""
        x, y, width, height = box
        half = width / 2.0, height / 2.0
        radius = min(radius, *half)

        def distance(across: np.ndarray, down: np.ndarray) -> np.ndarray:
            dx = np.abs(across - x - half[0]) - half[0] + radius
            dy = np.abs(down - y - half[1]) - half[1] + radius
            outside = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0))
            return outside + np.minimum(np.maximum(dx, dy), 0.0) - radius

        self._paint((x, y, x + width, y + height), distance, colour)

    def disc(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Fill a disc."""
        x, y = centre
        self._paint(
            (x - radius, y - radius, x + radius, y + radius),
            lambda across, down: np.hypot(across - x, down - y) - radius,
            colour,
        )

    def text(
        self,
        place: tuple[float, float],
        text: str,
        colour: Colour = INK,
        scale: int = 1,
        align: str = "left",
    ) -> None:
        """Write one line, its upper edge at y; x is its "left", "centre" or "right"."""
        shift = {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * text_width(text, scale)
        left, top = round(place[0] - shift), round(place[1])
        for position, letter in enumerate(text):
            self._glyph(left + position * GLYPH_WIDTH * scale, top, letter, colour, scale)

    def _glyph(self, left: int, top: int, letter: str, colour: Colour, scale: int) -> None:
        columns = np.frombuffer(_FONT.get(letter, b"\0" * 5), dtype=np.uint8)
        bits = np.unpackbits(columns[:, None], axis=1, bitorder="little").T.astype(bool)  # [8, 5]
        spot = np.kron(bits, np.ones((scale, scale), dtype=bool))
        area = self.pixels[top : top + len(spot), left : left + spot.shape[1]]
        area[spot[: area.shape[0], : area.shape[1]]] = colour

    def _paint(
        self,
        box: tuple[float, float, float, float],
        distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
        colour: Colour,
    ) -> None:
        """Colour the pixels of `box` where the signed distance to a shape is negative."""
        height, width, _ = self.pixels.shape
        left, top = max(int(box[0]) - 1, 0), max(int(box[1]) - 1, 0)
        right, bottom = min(int(box[2]) + 2, width), min(int(box[3]) + 2, height)
        across = np.arange(left, right)[None, :] + 0.5
        down = np.arange(top, bottom)[:, None] + 0.5
        # half a pixel of transition makes round edges look smooth
        cover = np.clip(0.5 - distance(across, down), 0.0, 1.0)[..., None]
        area = self.pixels[top:bottom, left:right]
        area[:] = np.rint(area + (np.asarray(colour) - area.astype(np.float64)) * cover)


def matrix(
    title: str, row_name: str, column_name: str, table: np.ndarray, limit: float
) -> np.ndarray:
    """Return a picture of a matrix of numbers: blue above zero, orange below.

    Args:
        title: written above.
        row_name: what a row is.
        column_name: what a column is.
        table: [rows, columns].
        limit: the number that gets the full colour.

    Returns:
        uint8 [height, width, 3].
    """
    rows, columns = table.shape
    side, left, top = 44, 84, 64
    width = left + max(columns * side, text_width(title, 2)) + 16
    canvas = Canvas(width, top + rows * side + 16)
    canvas.text((left, 14), title, scale=2)
    canvas.text((left, 38), f"{column_name} >", FAINT)
    for column in range(columns):
        canvas.text((left + (column + 0.5) * side, 52), str(column), FAINT, align="centre")
    for row in range(rows):
        place = (left - 8, top + (row + 0.5) * side - 3)
        canvas.text(place, f"{row_name} {row}", FAINT, align="right")
        for column in range(columns):
            corner = (left + column * side, top + row * side)
            _tile(canvas, corner, side, float(table[row, column]), limit)
    return canvas.pixels


def _tile(
    canvas: Canvas, corner: tuple[float, float], side: int, value: float, limit: float
) -> None:
    """Draw one number of a matrix on its colour."""
    share = abs(value) / limit if limit > 0.0 else 0.0
    colour = mix(PAPER, WEST if value >= 0.0 else EAST, share)
    x, y = corner
    canvas.rectangle((x + 1, y + 1, side - 2, side - 2), colour, radius=4)
    words = PAPER if share > 0.6 else INK
    # adding zero turns a rounded -0.00 into +0.00
    number = f"{round(value, 2) + 0.0:+.2f}"
    canvas.text((x + side / 2, y + side / 2 - 3), number, words, align="centre")
