"""Many byte strings at once: what a search one by one finds."""

import numpy as np
import pytest

from privessel.release import needles
from privessel.release.needles import Needles

DRAWS = np.random.default_rng(11)


@pytest.mark.parametrize("length", [0, 3, 4, 100, 127, 131, 132, 5000])
@pytest.mark.parametrize("alphabet", [b"ab", b"0123456789abcdef", bytes(range(256))])
def test_strings_are_found_as_one_by_one(alphabet, length, monkeypatch):
    monkeypatch.setattr(needles, "PART", 1000)  # so that strings lie across two parts
    letters = np.frombuffer(alphabet, np.uint8)
    strings = {bytes(DRAWS.choice(letters, size)) for size in DRAWS.integers(1, 14, 60)}
    content = bytes(DRAWS.choice(letters, length))
    for place in (995, 998, 1000, length - 3):
        content = content[:place] + sorted(strings, key=len)[-1] + content[place:]
    expected = {string for string in strings if string in content}
    found = Needles(strings).find(content)
    # Of several at one place the longest stands for the others.
    assert found <= expected
    assert all(any(one.startswith(string) for one in found) for string in expected)


def test_nothing_is_found_without_strings():
    assert Needles([]).find(b"anything" * 100) == set()
