"""What a site decides about its release of heads, and whether it may leave."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from privessel.deid.trained import TrainedHeadGan, digest_people
from privessel.errors import PrivacyError
from privessel.release.checks.heads import tell_refusal
from privessel.release.head_draws import Drawn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadTerms:
    """The config's `deid.release`; `delta`, `clip` and `number` are those of the draws."""

    hull: str
    name: str
    description: str
    creators: tuple[str, ...]
    licence: str
    left_out: tuple[str, ...]
    epsilon: float
    override: str | None
    delta: float
    clip: float
    number: int

    @classmethod
    def from_config(cls, given: Mapping) -> "HeadTerms":
        """Return the terms of a rule's params (`study.deid_release`)."""
        found = {field.name: given[field.name] for field in fields(cls)}
        return cls(**found | {name: tuple(found[name]) for name in ("creators", "left_out")})


def require_public_teachers(generators: Iterable[Path], known: Iterable[str]) -> None:
    """Raise PrivacyError unless every GAN has learned from public people alone, `known` by their names.

    A GAN learns without noise. Each head that it makes may show what it remembers of anybody it has learned
    from, and no eps of a hull covers that. So this is not for the site to outweigh.
    """
    paths, public = sorted(generators), set(digest_people(known))
    if not paths:
        raise PrivacyError(
            "no generator is there, so nothing shows whose heads the GAN has learned from, and no heads "
            "leave. Remedy: run target `deid` first, and keep its folder `gan`"
        )
    for path in paths:
        others = len(set(TrainedHeadGan.load(path).seen) - public)
        if others:
            raise PrivacyError(
                f"{path} has learned from {others} people who are not in deid.public_heads, without noise: "
                "heads that it makes may show what it remembers of them, and no eps covers that. No heads "
                "leave, and no reason can outweigh it. Remedy: set deid.gan.learns_from to public, remove "
                "the folder `gan` with what is left of other trainings, and run target `deid` again"
            )


def require_within_limit(drawn: Drawn, terms: HeadTerms) -> dict[str, str] | None:
    """Return the refusal that the site's written reason outweighs, None where nothing is refused.

    Raises PrivacyError where a person's draws have cost more than the limit and no reason is written.
    """
    spent = drawn.epsilons()["epsilon_adaptive"]
    told = tell_refusal({"epsilon_adaptive": spent, "epsilon_limit": terms.epsilon, "delta": terms.delta})
    if told is None:
        if terms.override:
            log.info("%s: nothing is refused, so deid.release.override stays here", terms.name)
        return None
    if not terms.override:
        raise PrivacyError(
            f"{terms.name} is not released: {told} Remedy: release heads whose people have fewer draws, or "
            "raise deid.release.epsilon if what they agreed to covers it. Or take responsibility for it: "
            "write your reason into deid.release.override, which is published with the heads"
        )
    log.warning(
        "%s is released AGAINST the rules: %s The written reason: %s", terms.name, told, terms.override
    )
    return {"reason": terms.override, "refused": told}
