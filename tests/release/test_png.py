"""PNG files: Pillow's bytes, whatever the pixels."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from privessel.errors import DamagedError
from privessel.release import png

DRAWS = np.random.default_rng(7)
SMOOTH = DRAWS.normal(size=(20, 96, 96)).cumsum(axis=1).cumsum(axis=2)
PICTURES = {
    "noise": DRAWS.integers(0, 256, (20, 24, 24), np.uint8),
    "smooth": np.rint(127 + 127 * SMOOTH / np.abs(SMOOTH).max()).astype(np.uint8),
    "few values": DRAWS.choice(np.array([0, 127, 128, 129, 255], np.uint8), (20, 24, 24)),
    "label": (DRAWS.random((20, 24, 24)) > 0.9).astype(np.uint8),
    "black and white": (DRAWS.random((20, 24, 24)) > 0.5) * np.uint8(255),
    "constant": np.full((2, 24, 24), 200, np.uint8),
    "equal rows": np.repeat(DRAWS.integers(0, 256, (5, 1, 24), np.uint8), 24, axis=1),
    "one pixel": DRAWS.integers(0, 256, (20, 1, 1), np.uint8),
    "wide": DRAWS.integers(0, 256, (5, 3, 40), np.uint8),
    "several chunks": DRAWS.integers(0, 256, (1, 300, 500), np.uint8),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_files_are_pillows_byte_by_byte(kind):
    expected = []
    for pixels in PICTURES[kind]:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        expected.append(file.getvalue())
    assert png.encode(PICTURES[kind]) == expected


def test_pixels_that_do_not_come_back_are_refused(monkeypatch):
    monkeypatch.setattr(zlib, "decompress", lambda packed, **named: bytes(named["bufsize"]))
    with pytest.raises(DamagedError, match="zlib .* does not give back the pixels.*Remedy"):
        png.encode(PICTURES["noise"])
