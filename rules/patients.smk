"""The cohorts' patients, who must be known before any job runs, and the files that stand for them."""

from privessel.cohort import table as tables
from privessel.errors import CohortError


def is_phantom(cohort):
    return "phantom" in config["cohorts"][cohort]


def layout(cohort):
    """Where the files of a cohort lie: its own keys before the study's layout; an empty template means none."""
    own = config["cohorts"][cohort]
    paths = {key: own.get(key, default) or None for key, default in config["layout"].items()}
    return {"root": Path(own.get("root", f"{DATA}/{cohort}"))} | paths


# Who has a study's CSVs and no patient may draw its figures again (`fig3 --allowed-rules fig3`): one stand-in a split keeps
# the other rules whole, which are not allowed to run.
ABSENT = [
    cohort
    for cohort in config["cohorts"]
    if "--allowed-rules" in sys.argv and not is_phantom(cohort) and not layout(cohort)["root"].exists()
]


def phantom_splits(cohort):
    """Patient -> split of a simulated cohort, from the config's counts alone."""
    counts = config["cohorts"][cohort]["phantom"]["patients"]
    splits = [split for split in tables.SPLITS for _ in range(counts[split])]
    prefix = re.sub("[^A-Za-z0-9]", "", cohort.removeprefix("phantom-"))
    return {f"{prefix}{number:03d}": split for number, split in enumerate(splits, start=1)}


def read_cohort(cohort):
    """Patients of one cohort: of a phantom by the config's counts, else by its table, its files looked for."""
    paths = layout(cohort)
    if cohort in ABSENT:
        rows = [{"participant_id": f"sub-{split}", "split": split} for split in tables.SPLITS]
        stand_in = {"image": "{patient}/image", "vessels": "{patient}/vessels", "brain": None}
        return tables.build_patients(cohort=cohort, root=paths["root"], rows=rows, where=cohort, **stand_in)
    if is_phantom(cohort):
        paths.pop("participants")
        rows = [{"participant_id": f"sub-{name}", "split": split} for name, split in phantom_splits(cohort).items()]
        return tables.build_patients(cohort=cohort, rows=rows, where=f"cohorts: {cohort}: phantom: patients", **paths)
    for output in (RESULTS, DATA, LOGS):
        tables.check_output_outside(Path(output), {cohort: paths["root"]})
    patients = tables.read_participants(cohort=cohort, **paths)
    tables.check_files(patients)
    return patients


def read_cohorts():
    """Patients of every cohort the study uses; anything wrong with the tables ends here, before any job."""
    used = dict.fromkeys([config["train_cohort"], *config["test_cohorts"], *config["rivals"]])
    for cohort in used:
        if cohort not in config["cohorts"]:
            raise CohortError(f"config: cohort {cohort} is used but not described. Remedy: add it under `cohorts:`.")
    cohorts = {cohort: read_cohort(cohort) for cohort in used}
    tables.check_cohorts(cohorts)
    tables.require_splits(cohorts[config["train_cohort"]], config["train_cohort"], ["train", "validation"])
    for cohort in config["test_cohorts"]:
        tables.require_splits(cohorts[cohort], cohort, ["test"])
    for cohort in config["rivals"]:
        tables.require_splits(cohorts[cohort], cohort, ["train"])
    return cohorts


try:
    COHORTS = read_cohorts()
except CohortError as error:
    raise WorkflowError(str(error)) from None
PATIENTS = {(cohort, patient.id): patient for cohort in COHORTS for patient in COHORTS[cohort]}


def ids(cohort, split):
    return [patient.id for patient in COHORTS[cohort] if patient.split == split]


def scan_files(cohort, patient):
    return [str(path) for path in PATIENTS[cohort, patient].files]


def scans(cohort, split):
    """What stands for the scans of a split: the list of its checked patients, with the digests of their files."""
    return f"{RESULTS}/cohort/{cohort}/{split}.csv"


CHECKED = [scans(cohort, split) for cohort in COHORTS for split in tables.SPLITS if ids(cohort, split)]


def patches(cohort, split="train"):
    """Patches of the patients of a split."""
    return [f"{RESULTS}/patches/{cohort}/{patient}.npz" for patient in ids(cohort, split)]


def patient_records(cohort, split):
    """The patients of a split as keywords of `Patient`, for a script's params."""
    return [vars(PATIENTS[cohort, patient]) for patient in ids(cohort, split)]


# --- Privacy: how many units there are, and the site that answers for them --------------------------------------------


def privacy_units():
    """How many patches, or patients, noise hides one of."""
    patients = len(ids(config["train_cohort"], "train"))
    return patients * (config["patches"]["per_patient"] if config["privacy"]["unit"] == "patch" else 1)


def site_state():
    """The folder of master secret and ledgers; it must not lie where results or scans are shared from."""
    if not config["privacy"]["state"]:
        raise WorkflowError(
            "config: privacy.state is not set. Private levels on a cohort that is not marked `public: true` draw from a "
            "secret and charge a ledger there. Remedy: name a folder that is backed up and that nobody else can read, and "
            "make the secret once with the target `secret`."
        )
    state = Path(config["privacy"]["state"]).expanduser()
    roots = {cohort: layout(cohort)["root"] for cohort in COHORTS}
    shared = roots | {"results": Path("results"), "data": Path("data"), "logs": Path("logs")}
    for name, folder in shared.items():
        if state.resolve().is_relative_to(folder.resolve()):
            raise WorkflowError(
                f"config: privacy.state {state} lies inside {folder} ({name}), which others may read or remove. "
                "Remedy: name a folder of its own."
            )
    return state


def require_secret(wildcards):
    """Nothing to wait for, but a private run needs the site's secret: its absence shows before any job runs."""
    secret = site_state() / "master.key"
    if not secret.exists():
        raise WorkflowError(
            f"{secret}: no master secret. Remedy: if this site has never had one, make it once with the same command and "
            "the target `secret` alone; else restore it from a backup, or set privacy.state to where it lies."
        )
    return []


def ledger_files(wildcards):
    return sorted(str(path) for path in site_state().glob("*.ledger"))
