"""The run that a release is made of: its ledger, and that its privacy.json tells of the same run."""

from collections.abc import Mapping, Sequence

from privessel.errors import PrivacyError
from privessel.privacy.account import Account, Run
from privessel.privacy.chain import Head, read_chain
from privessel.privacy.keys import load_master
from privessel.privacy.promises import Sizes
from privessel.privacy.site import SECRET, Site


def own_account(record: Mapping, accounts: Sequence[Account], *, site: Site) -> Account:
    """Return the run's account; PrivacyError unless it is complete and agrees with the run's privacy.json."""
    stood, name = record.get("ledger"), f"{record['arch']}/{record['level']}/run-{record['run']}"
    if not stood:
        raise PrivacyError(
            f"{name}: its privacy.json names no ledger, so nothing shows what the run has cost. Remedy: set "
            "privacy.state and train the run again"
        )
    found = [account for account in accounts if account.run.identity == stood["identity"]]
    if not found:
        raise PrivacyError(
            f"{name}: {site.state} has no ledger of it. Remedy: restore the ledgers from a backup, or set "
            "privacy.state to the folder that the run was charged in"
        )
    own = found[0]
    key = load_master(site.state / SECRET).derive("ledger")
    head = Head(lines=stood["lines"], mac=stood["mac"])
    read_chain(site.state / f"{own.run.identity}.ledger", key=key, head=head)
    if own.charged_before(own.run.steps) < own.run.steps or own.reached < own.run.steps:
        raise PrivacyError(
            f"{name}: its ledger is incomplete, {own.reached:,} of {own.run.steps:,} steps are charged. "
            "Remedy: let the run go on to its end; if it has ended, restore the ledger from a backup"
        )
    fields = ("noise_multiplier", "sampling_rate", "unit")
    differing = [field for field in fields if record.get(field) != getattr(own.run, field)]
    if differing:
        raise PrivacyError(
            f"{name}: its privacy.json was edited, or is of another run: it differs from the ledger in "
            f"{', '.join(differing)}. Remedy: delete it and run the same command again; the files of a "
            "finished run are restored at no cost"
        )
    return own


def check_counts(run: Run, sizes: Sizes) -> None:
    """Raise PrivacyError where the study's patches are not as many as the run was charged for."""
    wanted = {"patches_per_patient": sizes.patches_per_patient, "region_patches": sizes.region_patches}
    for name, count in wanted.items():
        charged = getattr(run, name)
        if charged is not None and charged != count:
            raise PrivacyError(
                f"{run.name}: its ledger says {name} {charged}, but the study's patches give {count}. "
                "Remedy: release from the study whose patches trained it, with the same patches.max_overlap"
            )
