"""The run that a release is made of: its ledger, and that its privacy.json tells of the same run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.gan.paid_runs import FOLDER, compare_kept
from privessel.privacy.account import Account, Run
from privessel.privacy.promises import Sizes
from privessel.privacy.seen import read_seen, seen_of
from privessel.privacy.site import Entries, Site
from privessel.study.names import PRIVATE_UNET, VOTE

# What a privacy.json has in common with its ledger, by the names that both have.
LEDGER = {
    "arch": "architecture",
    "level": "level",
    "run": "run",
    "cohort": "cohort",
    "unit": "unit",
    "noise_multiplier": "noise_multiplier",
    "sampling_rate": "sampling_rate",
    "pure_epsilon": "pure_epsilon",
}
# What the ledger does not say, or not in all versions.
KEPT = ("patients", "patches", "region_patches", "delta", "clipping_norm", "candidates", "ballot_patches")


def read_entries(record: Mapping, *, site: Site | None, results: Path | None = None) -> Entries:
    """Return what the site's books say, each file read and verified once; nothing for a public cohort.

    site: None for a public cohort. results: the folder of the study's results. All that the run's
    privacy.json, `record`, and the other runs and releases there have seen of the ledgers must be in them,
    and what the anchor file remembers. Raises PrivacyError as `Site.accounts`, and where `record` names no
    ledger.
    """
    if site is None:
        return Entries()
    own = seen_of(record, place=f"the privacy.json of {_name(record)}")
    if own is None:
        raise PrivacyError(
            f"{_name(record)}: its privacy.json names no ledger, so nothing shows what the run has cost. "
            "Remedy: set privacy.state and train the run again"
        )
    return site.entries([own, *(read_seen(results) if results else ())])


def own_account(record: Mapping, accounts: Sequence[Account]) -> Account:
    """Return the account of a run among those of its site (`read_entries`).

    Raises PrivacyError unless it is complete and agrees with `record`, the run's privacy.json.
    """
    name, identity = _name(record), record["ledger"]["identity"]
    own = next((account for account in accounts if account.run.identity == identity), None)
    if own is None:
        raise PrivacyError(
            f"{name}: privacy.state has no ledger of it. Remedy: restore the ledgers from a backup, or set "
            "privacy.state to the folder that the run was charged in"
        )
    if own.charged_before(own.run.steps) < own.run.steps or own.reached < own.run.steps:
        raise PrivacyError(
            f"{name}: its ledger is incomplete, {own.reached:,} of {own.run.steps:,} steps are charged. "
            "Remedy: let the run go on to its end; if it has ended, restore the ledger from a backup"
        )
    charged = {field: getattr(own.run, attribute) for field, attribute in LEDGER.items()}
    _require_equal(record, charged, name=name, other="the ledger")
    if own.run.series != "run":
        raise PrivacyError(
            f"{name}: its privacy.json names the ledger of {own.run.name}, which looked at patients in ways "
            "that no release covers. Remedy: release a run of the study"
        )
    return own


def check_kept(
    record: Mapping, entries: Entries, *, results: Path | None, patients: int, patches: int, region: int
) -> None:
    """Compare a run's files, and the study's numbers, with the copies that were kept when it finished.

    Raises PrivacyError where they differ, where the copies are not those whose digests the register got when
    the run ended (`entries`), and where there are none. Older versions noted no digests, and kept no copies
    of some GANs.
    """
    name = _name(record)
    folder = find_run(results, name) if results else None
    noted = entries.outputs.get(record["ledger"]["identity"], ())
    compared = compare_kept(folder, name=name) if folder else None
    if compared is None:
        if folder and (noted or _has_own_folder(name)):
            raise PrivacyError(
                f"{name}: the copies of its files that were kept when it finished are missing, so nothing "
                f"shows that the files are what it has paid for. Remedy: restore {folder / FOLDER} from a "
                "backup; or make another run under another number, which is charged in addition"
            )
        return
    kept, changed, digests = compared
    if kept.get("ledger", {}).get("identity") != record["ledger"]["identity"]:
        raise PrivacyError(
            f"{name}: the copies that are kept in {folder / FOLDER} are of another run than its ledger, so "
            "the files are not what it has paid for. Remedy: restore them from a backup; or make another run "
            "under another number, which is charged in addition"
        )
    if noted and digests not in noted:
        raise PrivacyError(
            f"{name}: the copies that are kept in {folder / FOLDER} are not the files that the site's "
            "register lists of the run, so they may not be what it has paid for. Remedy: restore them from a "
            "backup; or make another run under another number, which is charged in addition"
        )
    if changed:
        raise PrivacyError(
            f"{name}: {', '.join(changed)} are not as they were when the run finished, so they may not be "
            "what it has paid for. Remedy: delete them and run the same command again; the files of a "
            "finished run are restored at no cost"
        )
    given = {"patients": patients, "patches": patches, "region_patches": region}
    _require_equal(record, {field: kept.get(field) for field in KEPT}, name=name, other="the kept copy")
    differing = [field for field, number in given.items() if kept.get(field, number) != number]
    if differing:
        raise PrivacyError(
            f"{name}: the study's patches are not those that it was trained on: they differ in "
            f"{', '.join(differing)} from what was kept of the run. Remedy: release from the study whose "
            "patches trained it, with the same table of patients and the same patches.max_overlap"
        )


def find_run(results: Path, name: str) -> Path:
    """Return the folder of a GAN, a vote or a private U-Net, by its name, in a study's results."""
    return results / name if _has_own_folder(name) else results / "gan" / name


def _has_own_folder(name: str) -> bool:
    """Whether a run is a vote or a private U-Net, and so lies in a folder of its kind beside the GANs'."""
    return name.startswith((f"{VOTE}/", f"{PRIVATE_UNET}/"))


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


def _require_equal(record: Mapping, wanted: Mapping, *, name: str, other: str) -> None:
    differing = [field for field, value in wanted.items() if record.get(field) != value]
    if differing:
        raise PrivacyError(
            f"{name}: its privacy.json was edited, or is of another run: it differs from {other} in "
            f"{', '.join(differing)}. Remedy: delete it and run the same command again; the files of a "
            "finished run are restored at no cost"
        )


def _name(record: Mapping) -> str:
    return f"{record['arch']}/{record['level']}/run-{record['run']}"
