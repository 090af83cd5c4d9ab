"""A release of heads from what the rules have made: all is verified, people are renamed, files published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

import numpy as np

from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.made import digest_parts, find_seeds
from privessel.deid.released import Parts, make_files
from privessel.deid.shield import HullModel
from privessel.deid.shielding import Shield, find_noise
from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path
from privessel.files.reading import file_digest, read_array, read_arrays
from privessel.privacy.signing import Signer
from privessel.privacy.site import Site
from privessel.release.forbidden import Words, list_site
from privessel.release.head_bundle import Head, HeadContent, name_people, publish_heads, summarise
from privessel.release.head_draws import Asked, check_groups, check_hulls, read_draws
from privessel.release.head_terms import HeadTerms, require_within_limit
from privessel.release.traces import Forbidden
from privessel.study.head_scans import HeadScan
from privessel.study.hulls import parse_hull


@dataclass(frozen=True)
class Scan:
    """A scan of the cohort: whose, the SHA-256 of its stored values, and the file of its gamma.

    number: of the released scans of its person, counted from 1; 0 for one that does not leave. Of one that
    leaves, files: the verified `image`, `mask` and `sidecar`; source: its own files; frame, made: what it was
    made of.
    """

    name: str
    person: str
    digest: str
    gamma: Path
    number: int = 0
    files: Mapping[str, Path] | None = None
    source: HeadScan | None = None
    frame: Path | None = None
    made: Path | None = None


def list_scans(
    records: Sequence[Mapping],
    released: Sequence[Mapping],
    *,
    digests: Mapping[str, str],
    gammas: Sequence[str],
    files: Mapping[str, Sequence[str]],
) -> list[Scan]:
    """Return the scans of a cohort from the params and inputs of the rule.

    records: all scans, `gammas` in their order. released: those that leave, `files` in their order: `image`,
    `mask`, `sidecar`, `frame` and `made`. digests: by the scan's name.
    """
    leaving = {}
    for place, scan in enumerate(released):
        own = {kind: Path(paths[place]) for kind, paths in files.items()}
        leaving[scan["name"]] = {
            "number": scan["number"],
            "source": HeadScan(**{field.name: scan[field.name] for field in fields(HeadScan)}),
            **{kind: own.pop(kind) for kind in ("frame", "made")},
            "files": own,
        }
    return [
        Scan(one["name"], one["person"], digests[one["name"]], Path(gamma), **leaving.get(one["name"], {}))
        for one, gamma in zip(records, gammas, strict=True)
    ]


@dataclass(frozen=True)
class Made:
    """What the rules have made: all scans of a cohort, its hulls, and the public model behind them.

    results: the study's folder. step: the files of the code that decides a draw. seed: the public one.
    """

    cohort: str
    scans: Sequence[Scan]
    hulls: Path
    model: Path
    results: Path
    step: tuple[Path, ...]
    seed: int

    @property
    def released(self) -> list[Scan]:
        """The scans that leave."""
        return [scan for scan in self.scans if scan.number]

    @property
    def average(self) -> Path:
        """The average head of public people."""
        return self.model.with_name("average.npz")

    @property
    def draws(self) -> Path:
        """The folder of all finished draws of hulls."""
        return self.results / "deid" / "draws"

    def people(self) -> dict[str, dict[str, str]]:
        """Whoever is in the release: the digests of all scans of each, released or not, by name."""
        found: dict[str, dict[str, str]] = {scan.person: {} for scan in self.released}
        for scan in self.scans:
            if scan.person in found:
                found[scan.person][scan.name] = scan.digest
        return found


def release_heads(
    made: Made,
    terms: HeadTerms,
    *,
    site: Site | None,
    signer: Signer | None,
    forbidden: Mapping,
    archive: Path,
    codes: Path,
) -> None:
    """Publish the heads that leave, or raise PrivacyError with the reason and the remedy.

    site: None for public scans. forbidden: `people` of all cohorts by name, and `paths`, of which no text may
    say anything. codes: where the table of people and their codes is written, which stays inside.
    """
    drawn_kind = parse_hull(terms.hull)[0] == "local-dp"
    noise = find_noise(terms.hull, delta=terms.delta) if drawn_kind else None
    asked = Asked(made.cohort, terms.hull, terms.number, terms.delta, noise, made.people(), made.draws)
    drawn, entries = read_draws(asked, site=site, results=made.results)
    override = require_within_limit(drawn, terms)
    verify_hulls(made, terms, site=site)
    verify_made(made)
    named = name_people(
        [f"{made.cohort}/{person}" for person in asked.people], release=terms.name, site=site, seed=made.seed
    )
    heads = [
        Head(named[f"{made.cohort}/{scan.person}"], scan.number, scan.files, verify_files(scan, made))
        for scan in made.released
    ]
    numbers = summarise(drawn, terms, heads=heads, override=override, signed=signer is not None)
    voxels = {key: scan.digest for scan in made.scans for key in (scan.name, scan.person)}
    listed: Forbidden = list_site(
        forbidden["people"],
        voxels,
        paths=[Path(path) for path in forbidden["paths"]],
        site=site,
        accounts=entries.accounts,
        words=Words(terms.name, terms.description, terms.creators),
    )
    with atomic_path(codes) as partial:
        rows = ["person,code", *(f"{one},{code}" for one, code in named.items())]
        partial.write_text("\n".join(rows) + "\n", encoding="utf-8")
    publish_heads(HeadContent(heads, numbers, signer), archive=archive, forbidden=listed)


def verify_files(scan: Scan, made: Made) -> dict[str, str]:
    """Return the SHA-256 of each file of a scan that leaves; PrivacyError unless it is what its parts give.

    They are composed again from the source, the made head and the hull. Raises CohortError where the source
    is no longer the scan that was checked.
    """
    parts = Parts.read(
        {"frame": scan.frame, "made": scan.made, "hulls": made.hulls, "average": made.average},
        scan=scan.name,
        digest=scan.digest,
    )
    digests = {kind: sha256(content).hexdigest() for kind, content in make_files(scan.source, parts).items()}
    for kind, path in scan.files.items():
        if file_digest(path) != digests[kind]:
            raise PrivacyError(
                f"person {scan.person}, session {scan.source.session}: {path} is not what the scan, its made "
                "head and its hull give, so no check has seen it. Remedy: remove it, and run the same "
                "command again"
            )
    return digests


def verify_made(made: Made) -> None:
    """Raise PrivacyError unless each head that leaves was made by a GAN of this study, of its brain and hull.

    As its file says: whoever can write that file can have it say so.
    """
    generators = [file_digest(path) for path in sorted(made.model.parents[1].glob("gan/fold-*/generator.pt"))]
    seeds = find_seeds([s.person for s in made.scans], [s.gamma for s in made.scans], seed=made.seed)
    for scan in made.released:
        gamma = Gamma.load(scan.gamma).with_hull(read_array(made.hulls, scan.name))
        framed = Framed.load(scan.frame)
        inside = np.where(framed.brain, framed.image, 0)
        if not (np.array_equal(gamma.brain, framed.brain) and np.array_equal(gamma.masked_brain, inside)):
            raise PrivacyError(
                f"person {scan.person}, session {scan.source.session}: {scan.gamma} is not of the brain in "
                f"{scan.frame}. Remedy: remove it, and run the same command again"
            )
        of = [digest_parts(gamma, generator=one, seed=seeds[scan.person]) for one in generators]
        if str(read_arrays(scan.made).get("made_of")) not in of:
            raise PrivacyError(
                f"person {scan.person}, session {scan.source.session}: {scan.made} was not made of this "
                "brain and this hull by a GAN that is there. Remedy: remove it, and run the same command "
                "again"
            )


def verify_hulls(made: Made, terms: HeadTerms, *, site: Site | None) -> None:
    """Make the hulls of the released scans again; PrivacyError where heads were composed in others.

    Draws that people were charged for are restored, and are all there (`head_draws.read_draws`): nothing is
    drawn here. Of k-same the groups are formed again, of everyone.
    """
    kind, k = parse_hull(terms.hull)
    people = made.people()
    scans = [scan for scan in made.scans if kind == "k-same" or scan.person in people]
    shield = Shield(
        cohort=made.cohort,
        kind=terms.hull,
        seed=made.seed,
        delta=terms.delta,
        clip=terms.clip,
        number=terms.number,
        site=site if kind == "local-dp" else None,
        results=made.results,
        draws=made.draws,
        code_files=made.step,
        model_digest=file_digest(made.model),
    )
    model = HullModel.load(made.model)
    codes = shield.find_codes(
        model,
        {scan.name: scan.gamma for scan in scans},
        {scan.name: scan.person for scan in scans},
        {scan.name: scan.digest for scan in scans},
    )
    if kind == "k-same":
        check_groups(codes, people, k=int(k))
    again = {
        scan.name: model.build(Gamma.load(scan.gamma).brain, codes[scan.person]) for scan in made.released
    }
    used = {name: read_array(made.hulls, name) for name in again}
    check_hulls(again, used, cohort=made.cohort)
