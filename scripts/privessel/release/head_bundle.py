"""The files of a release of heads: what it holds, its folder and archive, and the codes of its people."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from privessel.deid.promise import say_made
from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path
from privessel.files.reading import file_digest
from privessel.privacy.signing import Signer
from privessel.privacy.site import Site, encode_code
from privessel.release.allowed import write_manifest
from privessel.release.archive import list_files, pack
from privessel.release.bundle import check_replaceable, replace_folder, room_for
from privessel.release.checks.head_files import (
    DESCRIPTION,
    IGNORED,
    NUMBERS,
    PROGRAMS,
    TABLE,
    name_head,
    to_json,
    write_ignored,
    write_table,
)
from privessel.release.checks.head_texts import TEXTS, describe_dataset
from privessel.release.checks.heads import FORMAT, METHOD, find_misshapen, list_not_covered, protects
from privessel.release.checks.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE
from privessel.release.head_draws import Drawn, library_versions
from privessel.release.head_search import LIBRARY, HeadOutline, search_heads
from privessel.release.head_terms import HeadTerms
from privessel.release.scanner import require_clean
from privessel.release.traces import Forbidden
from privessel.seeds import derive


@dataclass(frozen=True)
class Head:
    """One scan that leaves: the person's code, the number of the scan, and its verified files.

    files, digests: the path and the SHA-256 of `image`, `mask` and `sidecar`.
    """

    code: str
    number: int
    files: Mapping[str, Path]
    digests: Mapping[str, str]


@dataclass(frozen=True)
class HeadContent:
    """What a release of heads holds; `numbers` is privacy.json."""

    heads: Sequence[Head]
    numbers: Mapping
    signer: Signer | None


def summarise(
    drawn: Drawn, terms: HeadTerms, *, heads: Sequence[Head], override: Mapping | None, signed: bool
) -> dict:
    """Return privacy.json of these `heads`; PrivacyError where it would hold what it has no place for."""
    public = drawn.other_runs is None
    numbers = {
        "format": FORMAT,
        "public_cohort": public,
        "protects": protects(hull=drawn.hull, public=public),
        "hull": drawn.hull,
        "promise": say_made(drawn.hull, delta=drawn.delta, public=public, learns_from="public"),
        "delta": drawn.delta,
        "people": len({head.code for head in heads}),
        "scans": len(heads),
        "left_out": len(terms.left_out),
        "draw": asdict(drawn.draw) if drawn.draw else None,
        "composed": [asdict(one) for one in drawn.composed],
        **drawn.epsilons(),
        "epsilon_limit": terms.epsilon,
        "override": dict(override) if override else None,
        "other_runs": drawn.other_runs,
        "models_without_noise": drawn.models,
        # The last line of the site's ledgers at this moment, so that the site cannot lose charges unseen.
        "register": drawn.register,
        "accountant": {"method": METHOD, "versions": library_versions()},
        "not_covered": list_not_covered(),
        "data": {
            "name": terms.name,
            "description": terms.description,
            "creators": list(terms.creators),
            "licence": terms.licence,
            "signed": signed,
        },
    }
    if odd := find_misshapen(numbers):
        raise PrivacyError(
            f"{terms.name} was not released: {'; '.join(odd)}. Remedy: this is a defect of privessel"
        )
    return numbers


def name_people(people: Sequence[str], *, release: str, site: Site | None, seed: int) -> dict[str, str]:
    """Return the code of each person in a release; people are named {cohort}/{id}.

    On people they come from the site's secret. site: None for public scans, whose codes follow from the
    public seed and hide nobody. Raises PrivacyError where two people would have one code.
    """
    if site:
        codes = site.name_people(release, people)
    else:
        codes = {one: encode_code(derive(seed, "code", release, one).to_bytes(8)) for one in people}
    if len(set(codes.values())) < len(codes):
        raise PrivacyError(
            f"{release}: two people would have the same code. Remedy: set another deid.release.name, from "
            "which codes follow"
        )
    return codes


def write_texts(numbers: Mapping, *, codes: Sequence[str], signer: Signer | None) -> dict[str, str]:
    """Return each text of a release by its path, but for the sidecars of scans and the manifest."""
    library = Path(__file__).parents[1]
    programs = {name: (library / path).read_text(encoding="utf-8") for name, path in PROGRAMS.items()}
    return {
        **{name: write(numbers) for name, write in TEXTS.items()},
        **{name: LIBRARY.sub("checks", text) for name, text in programs.items()},
        **({PUBLIC_KEY: signer.public_key.decode()} if signer else {}),
        NUMBERS: to_json(numbers),
        TABLE: write_table(sorted(set(codes))),
        IGNORED: write_ignored(),
        DESCRIPTION: to_json(describe_dataset(numbers)),
    }


def publish_heads(content: HeadContent, *, archive: Path, forbidden: Forbidden) -> None:
    """Write a release of heads as `archive` ({name}.tar.gz) and as the folder {name} beside it.

    The finished archive is compared with what it may hold and searched (`head_search`). Raises PrivacyError
    where anything is found, and where the folder exists and is no earlier release; an earlier release then
    stays as it was, and nothing new is written.
    """
    name = content.numbers["data"]["name"]
    folder = archive.parent / name
    check_replaceable(folder)
    archive.parent.mkdir(parents=True, exist_ok=True)
    texts = write_texts(content.numbers, codes=[head.code for head in content.heads], signer=content.signer)
    with room_for(archive.parent, name) as partial:
        _write_files(partial, content, texts)
        with atomic_path(archive) as packed:
            pack(partial, packed)
            scans = {
                path: head.digests[kind]
                for head in content.heads
                for kind, path in name_head(head.code, head.number).items()
            }
            outline = HeadOutline(name, texts, scans, content.signer)
            found = search_heads(packed, outline=outline, forbidden=forbidden)
            require_clean(found, name=name)
            replace_folder(partial, folder)


def _write_files(folder: Path, content: HeadContent, texts: Mapping[str, str]) -> None:
    """Write all files of a release into the empty `folder`, the manifest and its signature last."""
    for head in content.heads:
        for kind, path in name_head(head.code, head.number).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(head.files[kind], folder / path)
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    manifest = write_manifest({name: file_digest(folder / name) for name in list_files(folder)}).encode()
    (folder / MANIFEST).write_bytes(manifest)
    if content.signer:
        (folder / SIGNATURE).write_bytes(content.signer.sign(manifest))
