"""What a release must not contain: ids of patients, names of people and machines, paths, digests, keys."""

import getpass
import os
import platform
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from privessel.gan.synthesis import pairs_seed
from privessel.privacy.account import Account
from privessel.privacy.keys import load_master, public_key, run_key
from privessel.privacy.nonce import list_nonces
from privessel.privacy.site import SECRET, Site
from privessel.release.patterns import ADDRESS
from privessel.release.spelling import make_plain
from privessel.release.terms import Terms
from privessel.release.traces import Forbidden, is_said, ordinary_words
from privessel.study.names import GanName


def list_forbidden(
    *,
    patients: Mapping[str, Collection[str]],
    voxels: Mapping[str, str],
    paths: Iterable[Path],
    seed: int,
    pairs: str,
    site: Site | None,
    accounts: Iterable[Account],
    terms: Terms,
) -> Forbidden:
    """Return what the release of `pairs` ({arch}/{level}/run-{n}/epoch-{e}, or a vote) must not contain.

    patients: ids by cohort. voxels: the digest of each training patient's scan, by id. paths: folders of
    scans, results and the like. site: None for a public cohort. accounts: those of all runs of the site.
    Names that the site itself has written into the release's terms are allowed.
    """
    name = GanName.parse(pairs)
    words = Words(terms.name, terms.description, terms.creators)
    found = list_site(patients, voxels, paths=paths, site=site, accounts=accounts, words=words)
    return replace(
        found,
        seeds={seed, *(() if name.epoch is None else [pairs_seed(seed, name)])},
        keys=[public_key(seed=seed, name=str(name.run_name)), *found.keys],
    )


@dataclass(frozen=True)
class Words:
    """The words of a site in its release, which may hold names that no other text may."""

    name: str
    description: str
    creators: tuple[str, ...]


def list_site(
    patients: Mapping[str, Collection[str]],
    voxels: Mapping[str, str],
    *,
    paths: Iterable[Path],
    site: Site | None,
    accounts: Iterable[Account],
    words: Words,
) -> Forbidden:
    """Return what no release may contain, whatever it is made of; arguments as `list_forbidden`."""
    said = " ".join([words.name, words.description, *words.creators])
    names = {one for one in _people() | _machines() | set(patients) if one.lower() not in ordinary_words()}
    master = load_master(site.state / SECRET) if site else None
    digests = {
        *voxels.values(),
        *(part for pair in (site.digests(voxels).values() if site else []) for part in pair),
    }
    for account in accounts:
        digests |= {
            account.run.identity,
            account.head.mac,
            *(attempt.commitment for attempt in account.attempts),
            *(part for pair in account.run.patients for part in pair),
        }
    keys = []
    if master:
        keys += [master.secret, master.derive("ledger"), master.derive("patients"), site.signer().secret]
        keys.append(site.codes_key(words.name))
        # The nonces of finished runs are destroyed, and nobody can derive their keys any more.
        for (identity, attempt), nonce in list_nonces(site.state).items():
            keys += [nonce, run_key(master, identity=identity, attempt=attempt, nonce=nonce)]
    places = [
        Path.cwd(),
        Path.home(),
        *([site.state, *([site.anchor] if site.anchor else [])] if site else []),
        *paths,
    ]
    return Forbidden(
        patients={one for ids in patients.values() for one in ids},
        names={one for one in names if not is_said(one, said)},
        # A folder of one part, such as `data`, is also an ordinary word, so it is not searched for.
        paths={str(place) for place in places if len(place.parts) > 1},
        digests={digest for digest in digests if digest},
        keys=keys,
        contacts=re.findall(ADDRESS, make_plain(" ".join(words.creators))),
    )


def _people() -> set[str]:
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
    with suppress(OSError, KeyError):  # in a container the user may have no name
        names.add(getpass.getuser())
    return names - {""}


def _machines() -> set[str]:
    names = {platform.node(), socket.gethostname()}
    return {part for name in names for part in (name, name.partition(".")[0]) if part}
