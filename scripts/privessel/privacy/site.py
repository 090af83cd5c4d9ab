"""A site that answers for its patients: its master secret, its ledgers, and each patient's privacy budget."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.privacy.account import Account, Point, Run
from privessel.privacy.keys import MasterSecret, Stream, create_master, load_master, run_key
from privessel.privacy.ledger import Ledger, open_ledger, read_accounts, running
from privessel.privacy.spending import Digests, check_budget, digest_patients

log = logging.getLogger(__name__)

SECRET = "master.key"


@dataclass(frozen=True)
class Site:
    """The folder of the secret and the ledgers (`privacy.state`), and the budget of each patient.

    `epsilon`, at `delta`, is the most that all runs together may spend on one patient.
    """

    state: Path
    epsilon: float
    delta: float

    @classmethod
    def from_config(cls, privacy: Mapping) -> "Site":
        """Return the site that a config's `privacy` describes by its `state` and its `budget`."""
        return cls(Path(privacy["state"]).expanduser(), **privacy["budget"])

    def create_secret(self) -> Path:
        """Create the master secret, once for all studies of a site; return its path. It is never replaced.

        Raises PrivacyError where there is a secret already, and where there are ledgers but no secret: they
        were made under a secret that is lost, and with a new one nobody could read what patients have spent.
        """
        if any(self.state.glob("*.ledger")) and not (self.state / SECRET).exists():
            raise PrivacyError(
                f"{self.state} has ledgers but not the master secret they were made under: restore "
                f"{self.state / SECRET} from a backup. Without it nobody can tell what patients have spent"
            )
        create_master(self.state / SECRET)
        return self.state / SECRET

    def accounts(self) -> list[Account]:
        """Return the accounts of all private runs of the site: the steps that each was charged."""
        return read_accounts(self.state, master=self._master())

    def digests(self, voxels: Mapping[str, str]) -> dict[str, Digests]:
        """Return the keyed digests of patients, by id; `voxels` holds the digest of each scan, by id."""
        return digest_patients(self._master(), voxels)

    def coins(self, identity: str) -> Stream:
        """Return the random stream of an audit's coins; `identity` is the digest of its run's identity."""
        return Stream(self._master().derive(f"coins of the audit {identity}"))

    def _master(self) -> MasterSecret:
        return load_master(self.state / SECRET)


@dataclass(frozen=True)
class PaidRun:
    """A private run on patients of a site, before its ledger is opened.

    patients: the keyed digests of each patient, by id. machine: the machine that computes the same bits again
    (`device.replaying_machine`), or None where none does.
    """

    site: Site
    run: Run
    patients: Mapping[str, Digests]
    machine: str | None
    threads: int = 1  # threads that draw the noise

    @contextmanager
    def open(self, point: Point, *, silent_minutes: float) -> Iterator[tuple[Stream, Ledger]]:
        """Open the ledger of a run that continues from `point`; yield its random stream and the ledger.

        Raises PrivacyError, before any step is taken, where the budget does not cover the run, and in the
        cases of `open_ledger`.
        """
        site, master = self.site, load_master(self.site.state / SECRET)
        with open_ledger(
            site.state,
            master=master,
            run=self.run,
            point=point,
            machine=self.machine,
            silent_minutes=silent_minutes,
        ) as ledger:
            worst = check_budget(
                site.accounts(),
                run=self.run,
                start=point.step,
                replays=ledger.replays,
                running=running(site.state, silent_minutes=silent_minutes),
                patients=self.patients,
                epsilon=site.epsilon,
                delta=site.delta,
            )
            log.info(
                "%s, attempt %d: at its end a patient will have spent at most eps %.4g of %.4g at delta "
                "%.3g (runs: %d; %.4g if they were all fixed before the first)",
                self.run.name, ledger.attempt, worst.adaptive_epsilon, site.epsilon, site.delta,
                len(worst.runs), worst.epsilon,
            )  # fmt: skip
            key = run_key(master, identity=self.run.identity, attempt=ledger.attempt)
            yield Stream(key, threads=self.threads), ledger
