"""A site that is responsible for its patients: its master secret, its ledgers and each patient's budget."""

import base64
import hmac
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.privacy.account import Account, Point, Run
from privessel.privacy.accounts import list_accounts, read_accounts, running
from privessel.privacy.keys import MasterSecret, Stream, create_master, load_master
from privessel.privacy.ledger import Ledger, open_ledger
from privessel.privacy.nonce import destroy_nonces
from privessel.privacy.register import Books
from privessel.privacy.seen import Seen, read_seen
from privessel.privacy.signing import SIGNING_KEY, Signer, create_signer, load_signer
from privessel.privacy.spending import Digests, Spent, check_budget, digest_patients, join_people

log = logging.getLogger(__name__)

SECRET = "master.key"


@dataclass(frozen=True)
class Entries:
    """What the books of a site say at one moment; none for a public cohort, of which no books are kept."""

    accounts: tuple[Account, ...] = ()  # of all private runs
    models: tuple[Mapping, ...] = ()  # trained without noise on patients (`Register.note_model`)
    outputs: Mapping[str, Sequence[Mapping]] = field(default_factory=dict)  # as `Register.outputs`

    def count_models(self, patients: Mapping[str, Digests]) -> int:
        """Return how many models without noise were trained on any of these patients.

        Patients are recognised as in `spending.runs_by_patient`, by all records of runs and models.
        """
        trained = [[tuple(pair) for pair in model["patients"]] for model in self.models]
        charged = [pair for account in self.accounts for pair in account.run.patients]
        people = join_people([*patients.values(), *charged, *chain.from_iterable(trained)])
        sought = {people[one] for one, _ in patients.values()}
        return sum(any(people[one] in sought for one, _ in pairs) for pairs in trained)


@dataclass(frozen=True)
class Site:
    """The folder of the secret and the ledgers (`privacy.state`), and the budget of each patient.

    `epsilon`, at `delta`, is the most that all runs together may spend on one patient. `anchor` is the file
    outside `state` that remembers how far the ledgers have come (`privacy/anchor.py`), if there is one.
    """

    state: Path
    epsilon: float
    delta: float
    anchor: Path | None = None

    @classmethod
    def from_config(cls, privacy: Mapping) -> "Site":
        """Return the site that a config's `privacy` describes by its `state`, `anchor` and `budget`."""
        anchor = Path(privacy["anchor"]).expanduser() if privacy["anchor"] else None
        return cls(Path(privacy["state"]).expanduser(), **privacy["budget"], anchor=anchor)

    def create_secrets(self) -> list[str]:
        """Create the master secret and the signing key, each once for all studies of a site.

        Returns the names of the files that were created: a state from before there were signing keys gets
        one. Raises PrivacyError where both exist, because neither is ever replaced, and where there are
        ledgers but no master secret: with a new one nobody could read what patients have spent.
        """
        secret, signing = self.state / SECRET, self.state / SIGNING_KEY
        if any(self.state.glob("*.ledger")) and not secret.exists():
            raise PrivacyError(
                f"{self.state} has ledgers but not the master secret they were made under: restore "
                f"{secret} from a backup. Without it nobody can tell what patients have spent"
            )
        if secret.exists() and signing.exists():
            raise PrivacyError(
                f"{self.state}: there is a master secret already, and a signing key, whose fingerprint is "
                f"{self.signer().fingerprint}; neither is ever replaced"
            )
        missing = [path for path in (secret, signing) if not path.exists()]
        if secret in missing:
            create_master(secret)
        if signing in missing:
            create_signer(self.state)
        return [path.name for path in missing]

    def signer(self) -> Signer:
        """Return the key that signs the site's releases; PrivacyError, with the remedy, if there is none."""
        return load_signer(self.state)

    def accounts(self, seen: Iterable[Seen] = ()) -> list[Account]:
        """Return the accounts of all private runs of the site: the steps that each was charged for.

        `seen` is what files elsewhere have seen of the ledgers, such as the study's results
        (`seen.read_seen`). Raises PrivacyError as `accounts.read_accounts`.
        """
        return read_accounts(self.state, master=self._master(), anchor=self.anchor, seen=seen)

    def entries(self, seen: Iterable[Seen] = ()) -> Entries:
        """Return all that the site's books say, for a release; every file of them is read and verified once.

        How far they have come is then in the anchor file, if there is one. `seen` and errors as `accounts`.
        """
        with self._books().read() as register:
            accounts = list_accounts(register, seen=seen)
            register.write_anchor()
            return Entries(tuple(accounts), tuple(register.models()), register.outputs())

    @property
    def has_secret(self) -> bool:
        """Whether the site has its master secret, and so can keep books."""
        return (self.state / SECRET).exists()

    def note_model(self, *, name: str, cohort: str, patients: Mapping[str, Digests]) -> None:
        """Write down that a model without noise is about to be trained on patients.

        It has no eps and no ledger, but whoever looks at it learns about its patients, and may choose later
        runs by that. A release says how many such models there were.
        """
        with self._books().write() as register:
            register.note_model(name=name, cohort=cohort, patients=list(patients.values()))

    def digests(self, voxels: Mapping[str, str]) -> dict[str, Digests]:
        """Return the keyed digests of patients, by id; `voxels` holds the digest of each scan, by id."""
        return digest_patients(self._master(), voxels)

    def name_people(self, release: str, people: Iterable[str]) -> dict[str, str]:
        """Return a code for each person, ten letters and digits, that only the site can trace back.

        Another release has other codes, so that whoever has two of them cannot join them by code.
        """
        key = self.codes_key(release)
        digests = {one: hmac.digest(key, one.encode(), "sha256") for one in people}
        return {one: encode_code(digest) for one, digest in digests.items()}

    def codes_key(self, release: str) -> bytes:
        """Return the key that the codes of a release follow from; it must not leave."""
        return self._master().derive(f"codes of the release {release}")

    def coins(self, identity: str) -> Stream:
        """Return the random stream of an audit's coins; `identity` is `AuditRun.coins_identity`.

        The coins are no secret that protects a patient: they decide which public patches are canaries. So
        they rest on the master secret alone, and can be tossed again for as long as the audit is read.
        """
        return Stream(self._master().derive(f"coins of the audit {identity}"))

    def _books(self) -> Books:
        return Books(self.state, self._master().derive("ledger"), self.anchor)

    def _master(self) -> MasterSecret:
        return load_master(self.state / SECRET)


def encode_code(digest: bytes) -> str:
    """Return the first 50 bits of a digest as ten letters and digits.

    >>> encode_code(bytes(32))
    'aaaaaaaaaa'
    """
    return base64.b32encode(digest[:7]).decode()[:10].lower()


def find_signer(site: Site | None, privacy: Mapping) -> Signer | None:
    """Return the key that signs a release, and log its fingerprint; None for a public cohort without one.

    site: None for a public cohort, whose release is signed where the config's `privacy` names a state with a
    signing key. Raises PrivacyError, with the remedy, where a site that answers for patients has no such key.
    """
    if site is None:
        state = Path(privacy["state"]).expanduser() if privacy["state"] else None
        if not (state and (state / SIGNING_KEY).exists()):
            log.info("the release is not signed: the cohort is public, and privacy.state has no signing key")
            return None
        signer = load_signer(state)
    else:
        signer = site.signer()
    log.info("the release is signed; the fingerprint of the site's public key is %s", signer.fingerprint)
    return signer


@dataclass(frozen=True)
class PaidRun:
    """A private run on patients of a site, before its ledger is opened.

    patients: the keyed digests of each patient, by id. machine: the name of the machine that computes the
    same bits again (`device.replaying_machine`), or None where none does. results: the folder of the study's
    results, whose earlier runs must be in the ledgers.
    """

    site: Site
    run: Run
    patients: Mapping[str, Digests]
    machine: str | None
    threads: int = 1  # threads that draw the noise
    results: Path | None = None

    @contextmanager
    def open(self, point: Point, *, silent_minutes: float) -> Iterator[tuple[Stream, Ledger]]:
        """Open the ledger of a run that continues from `point`; yield its random stream and the ledger.

        Raises PrivacyError, before any step is taken, where the budget does not cover the run, where the
        study's results have seen more charges than the ledgers contain, and as `open_ledger`.
        """
        site, master = self.site, load_master(self.site.state / SECRET)
        site.accounts(read_seen(self.results) if self.results else ())

        def check(ledger: Ledger) -> Spent:
            return check_budget(
                site.accounts(),
                run=self.run,
                start=point.step,
                replays=ledger.replays,
                running=running(site.state, silent_minutes=silent_minutes),
                patients=self.patients,
                epsilon=site.epsilon,
                delta=site.delta,
            )

        with open_ledger(
            site.state,
            master=master,
            run=self.run,
            point=point,
            machine=self.machine,
            silent_minutes=silent_minutes,
            anchor=site.anchor,
            check=check,
        ) as ledger:
            # Once more, now that other processes see the attempt: two runs that start together cannot both
            # take what is left.
            worst = check(ledger)
            log.info(
                "%s, attempt %d: at its end a patient will have spent at most eps %.4g (which protects %s) "
                "of %.4g at delta %.3g (runs: %d; %.4g if they were all fixed before the first)",
                self.run.name, ledger.attempt, worst.adaptive_epsilon, worst.protected, site.epsilon,
                site.delta, len(worst.runs), worst.epsilon,
            )  # fmt: skip
            yield Stream(ledger.key(master), threads=self.threads), ledger

    def note_outputs(self, outputs: Mapping[str, str]) -> None:
        """Write the digests of the files that the run ends with, by name, into the site's register."""
        with self.site._books().write() as register:
            register.note_outputs(self.run.identity, outputs)

    def end(self, identity: str | None = None) -> None:
        """Destroy the nonces of the finished run, so that its noise can never be drawn again.

        `identity` is given where the finished run had another identity than it would have now.
        """
        destroy_nonces(self.site.state, identity=identity or self.run.identity)
