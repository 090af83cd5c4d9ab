"""The cohorts' patients, who must be known before any job runs, and the files that stand for them."""

from privessel import cohort as tables
from privessel.errors import CohortError


def is_phantom(cohort):
    return "phantom" in config["cohorts"][cohort]


def layout(cohort):
    """Where the files of a cohort lie: its own keys before the study's layout; an empty template means none."""
    own = config["cohorts"][cohort]
    paths = {key: own.get(key, default) or None for key, default in config["layout"].items()}
    return {"root": Path(own.get("root", f"{DATA}/{cohort}"))} | paths


def phantom_splits(cohort):
    """Patient -> split of a simulated cohort, from the config's counts alone."""
    counts = config["cohorts"][cohort]["phantom"]["patients"]
    splits = [split for split in tables.SPLITS for _ in range(counts[split])]
    prefix = re.sub("[^A-Za-z0-9]", "", cohort.removeprefix("phantom-"))
    return {f"{prefix}{number:03d}": split for number, split in enumerate(splits, start=1)}


def read_cohort(cohort):
    """Patients of one cohort: of a phantom by the config's counts, else by its table, its files looked for."""
    paths = layout(cohort)
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


def patches(cohort):
    """Patches of a cohort's training patients."""
    return [f"{RESULTS}/patches/{cohort}/{patient}.npz" for patient in ids(cohort, "train")]


def patient_records(cohort, split):
    """The patients of a split as keywords of `Patient`, for a script's params."""
    return [vars(PATIENTS[cohort, patient]) for patient in ids(cohort, split)]
