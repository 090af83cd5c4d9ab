"""What a site decides about its release of heads, and whether it may leave."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from privessel.deid.trained import TrainedHeadGan, digest_people
from privessel.errors import PrivacyError
from privessel.privacy.seen import read_seen
from privessel.privacy.site import Site
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


def require_public_scans(called_public: Mapping[str, str], *, site: Site | None, results: Path) -> None:
    """Raise PrivacyError where scans that are called public are those of patients in the site's books.

    called_public: the SHA-256 of each by its name. Ids do not matter, since two places may use the same. A
    site that is None, or without a secret, has no books. results: the study's folder of results.
    """
    if site is None or not site.has_secret:
        return
    entries = site.entries(read_seen(results))
    runs = [account.run.patients for account in entries.accounts]
    patients = [pair for pairs in (*runs, *(model["patients"] for model in entries.models)) for pair in pairs]
    theirs = {digest for pair in patients for digest in pair}
    found = [name for name, (_, voxels) in site.digests(called_public).items() if voxels in theirs]
    if found:
        raise PrivacyError(
            f"{len(found)} scans of cohorts that are marked as public, such as {found[0]}, are of patients "
            "in the site's books: what is fitted on public heads has no noise, and public people are charged "
            "nothing. No heads leave. Remedy: set `public: false` for the cohort again, and take other heads "
            "for deid.public_heads"
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
