"""The name of a hull, read. A module of its own, because it is published with every release of heads."""


def parse_hull(name: str) -> tuple[str, float]:
    """Return the kind of a hull and its number, 0 where it has none.

    >>> parse_hull("k-same-10"), parse_hull("local-dp-0.5"), parse_hull("brain")
    (('k-same', 10.0), ('local-dp', 0.5), ('brain', 0.0))
    """
    kind, _, number = name.rpartition("-")
    return (kind, float(number)) if kind else (name, 0.0)
