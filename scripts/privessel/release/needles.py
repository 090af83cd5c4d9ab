"""A search of bytes for many byte strings at once, in one pass whatever their number."""

from collections import defaultdict
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

SHORTEST = 4  # bytes of a string that the pass finds; shorter ones are searched for one by one
PART = 1 << 18  # bytes looked at together, so that they stay in the processor's cache
FEW = 128  # bytes; in so few every place is looked at
HASHED = 1 << 20  # places of a table that tells whether some string may begin with these four bytes


class Needles:
    """Byte strings to search for, none of them empty."""

    def __init__(self, strings: Collection[bytes]) -> None:
        self._short = [string for string in strings if len(string) < SHORTEST]
        self._by_start: dict[bytes, list[bytes]] = defaultdict(list)
        for string in sorted(set(strings), key=len, reverse=True):
            if len(string) >= SHORTEST:
                self._by_start[string[:SHORTEST]].append(string)
        self._pairs, self._fours = np.zeros(1 << 16, bool), np.zeros(HASHED, bool)
        for start in self._by_start:
            first, second = int.from_bytes(start[:2]), int.from_bytes(start[2:])
            self._pairs[first] = True
            self._fours[_hash(np.array([first]), np.array([second]))] = True

    def find(self, content: bytes) -> set[bytes]:
        """Return the strings that `content` holds; of several that begin at one place only the longest."""
        found = {string for string in self._short if string in content}
        for place in self._places(content) if self._by_start else ():
            strings = self._by_start.get(content[place : place + SHORTEST], ())
            found.update([string for string in strings if content.startswith(string, place)][:1])
        return found

    def _places(self, content: bytes) -> Iterator[int]:
        """Yield every place where a string may begin, and a few others."""
        last = len(content) - SHORTEST + 1
        if last < FEW:
            yield from range(last)
            return
        for start in range(0, last, PART):
            # A string may begin in this part and end in the next.
            part = np.frombuffer(content, np.uint8, min(PART, last - start) + SHORTEST - 1, start)
            pairs = part[:-1].astype(np.uint16) << 8
            pairs |= part[1:]
            places = np.flatnonzero(self._pairs[pairs[:-2]])
            places = places[self._fours[_hash(pairs[places], pairs[places + 2])]]
            yield from (start + places).tolist()


def _hash(first: NDArray, second: NDArray) -> NDArray:
    """Return a place in a table of HASHED for four bytes, given as two numbers of two bytes each."""
    fours = (first.astype(np.uint32) << 16) | second.astype(np.uint32)
    return (fours * np.uint32(2_654_435_761)) >> np.uint32(12)  # Knuth's multiplicative hashing
