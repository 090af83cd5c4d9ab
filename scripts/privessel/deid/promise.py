"""What each shield promises, in words for those who must answer for it, such as a data-protection officer."""

from privessel.study.hulls import parse_hull

_ALWAYS = (
    "The brain is kept voxel by voxel, by intention. Whoever has another scan of the person can recognise "
    "the brain, whatever surrounds it; nothing here says otherwise."
)
# The grid, the type and the scale of stored values are kept, so that the brain stays as it is bit for bit; a
# scanner's export often takes the scale from the brightest voxel of the whole head.
_GIVEN = "Given the brain, its mask, its place, and the grid, the type and the scale of the stored values"
_ADDS_UP = (
    "This is one draw: others of the same person, for another eps or under another number, add to it, and "
    "the site's ledgers count them all."
)
_IN_NAME = (
    "The scans are marked as public, so the noise follows from a published seed, and what is said next "
    "of eps "
    "and delta holds in name only: it is what other scans would be promised."
)
_PUBLIC_GAN = (
    "These heads were made by GANs that were trained on public people alone, so training adds nothing to "
    "what follows, which is the promise of the hulls that the heads were made in."
)
_EVERYONES_GAN = (
    "No promise is made for these heads. The GANs that made them were trained, without noise, on the faces "
    "of people of this study, those whose heads are de-identified among them. No head was made by a GAN that "
    "had seen the same person, but the head of one person may show what a GAN has kept of another's face. "
    "What is promised of the hulls (k-same, local-dp, brain) holds for the hulls alone, and not for these "
    "heads. Heads that it holds for are made with `deid.gan.learns_from: public`."
)
_CONDITIONS = (
    "It holds if the brain mask holds no skin, if whatever draws the rest of this head, and of all other "
    "heads that leave, was not trained on this person's scans, and if the release is not withheld because "
    "of what the face looks like. That a scan was refused by the checks says something about that scan."
)


def say_promise(hull: str, *, delta: float, public: bool) -> str:
    """Return the statement of one kind of hull: paper, brain, or such as k-same-10 or local-dp-4.

    public: whether a published seed draws the noise, because the scans are nobody's or anyone's.
    """
    kind, number = parse_hull(hull)
    k, epsilon = int(number), number
    texts = {
        "paper": (
            "The shape of the head's convex hull is that of the person, as the paper has it. No promise is "
            "made: in our measurements the hull alone lets an attacker who knows the person's face pick the "
            "right scan far more often than by chance (docs/deid.md)."
        ),
        "k-same": (
            "Given the brains of all, the hull of this head says no more about its person than about each "
            f"of at least {k - 1} others of the same release, because they share its shape. This is "
            f"k-anonymity with k = {k}: it protects against picking one person out of the "
            "release, not against somebody who knows the faces of all others in the group."
        ),
        "local-dp": (
            f"{_GIVEN}, everything else in the output is ({epsilon:g}, "
            f"{delta:g})-differentially private in the rest of the scan, locally: had the same brain been in "
            "any other head, every output would have been at most e^eps times likelier or less likely, but "
            "for outcomes that make up delta. It holds for all visits together, whatever else the attacker "
            f"knows, and needs no trust in other people's data. {_ADDS_UP}"
        ),
        "brain": (
            f"{_GIVEN}, the output does not depend on the rest of the scan at "
            "all (eps = 0): another person's face around the same brain gives the same output."
        ),
    }
    conditions = "" if kind == "paper" else f"{_CONDITIONS} "
    in_name = f"{_IN_NAME} " if public and kind == "local-dp" else ""
    return f"{in_name}{texts[kind]} {conditions}{_ALWAYS}"


def say_made(hull: str, *, delta: float, public: bool, learns_from: str) -> str:
    """Return the statement beside the heads that GANs have made in a kind of hull.

    public: as in `say_promise`. learns_from: public or everyone, whose heads the GANs were trained on.
    """
    if learns_from == "everyone":
        return f"{_EVERYONES_GAN} {_ALWAYS}"
    return f"{_PUBLIC_GAN} {say_promise(hull, delta=delta, public=public)}"
