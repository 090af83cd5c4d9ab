"""What a release's own check cannot know of privacy.json: the site's reasons, and what its software is.

Everything else in privacy.json is held by `checks`: its keys and the types of all values (`checks/shape.py`),
each sentence word for word, and each number by others (`checks/numbers.py`).
"""

import re
from collections.abc import Mapping

from privessel.release.guarantee import LIBRARIES
from privessel.release.terms import Terms

VERSION = re.compile(r"\d[\w.]{0,15}(?:\+[a-z][a-z0-9.]{0,15})?")  # such as 2.5.1+cpu
DIGEST = re.compile(r"[0-9a-f]{64}")


def find_odd_words(numbers: Mapping, *, terms: Terms) -> list[str]:
    """Return which words of a privacy.json in the right shape are not what they must be; never the words."""
    versions, register = numbers["accountant"]["versions"], numbers["register"]
    override, reason = numbers["override"], numbers["region"]["reason"]
    as_they_must = {
        "the names of the accountant's versions": set(versions) == set(LIBRARIES),
        "the accountant's versions": all(map(VERSION.fullmatch, versions.values())),
        "register": register is None or bool(DIGEST.fullmatch(register)),
        "the reason of override": override is None or override["reason"] == terms.override,
        "the reason of region": reason is None or reason == terms.region_reason,
    }
    return [f"{name}: not as the site has set it" for name, right in as_they_must.items() if not right]
