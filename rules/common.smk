"""What the rules share: the cohorts' patients, the sources of training pairs, and which file comes from where."""

import json
import os
import re
import sys
from itertools import product
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = Path(workflow.basedir, "scripts", "privessel")
sys.path.append(str(LIBRARY.parent))
from privessel import cohort as tables
from privessel.errors import CohortError

RESULTS = f"results/{config['study']}"
DATA = f"data/{config['study']}"
LOGS = f"logs/{config['study']}"
FIGURES = ["fig2", "fig3", "fig4", "fig5", "fig7", "table1"]
CPU_ENV = "../envs/images.yaml"
TORCH_ENV = "../envs/torch.yaml"
# Scans are checked and cut before anything is trained, so that bad input shows before hours of training. No input() here
# is ancient(): Snakemake ignores every other reason to run a job whose ancient input is being made anew.
FIRST = 20


def lib(*modules):
    """The library files that decide a rule's result, declared as its input: an edit reruns it and no other rule."""
    files = []
    for module in modules:
        path = LIBRARY / f"{module}.py"
        files += [path] if path.exists() else sorted((LIBRARY / module).glob("*.py"))
    return [os.path.relpath(path) for path in files]


def is_private(level):
    return level != "inf"


def is_public(cohort):
    return config["cohorts"][cohort]["public"]


def runs(level):
    return range(1, config["runs"] + 1) if is_private(level) else [1]


def gan_training(level):
    """The GAN's keys at this level: those under `gan.private` replace the others where there is noise."""
    common = {key: value for key, value in config["gan"].items() if key != "private"}
    return common | (config["gan"]["private"] if is_private(level) else {})


def gan_epochs(level):
    return gan_training(level)["kept_epochs"]


def check_config():
    """What a schema can't say: keys that must fit each other."""
    size, halvings = config["patches"]["size"], len(config["unet"]["filters"]) - 1
    faults = [
        f"gan.kept_epochs has {epoch}, but level {level} trains {gan_training(level)['epochs']} epochs"
        for level in config["levels"]
        for epoch in gan_epochs(level)
        if epoch > gan_training(level)["epochs"]
    ]
    faults += [
        f"shuffled has level {level}, which is not in levels"
        for level in config["shuffled"]
        if level not in config["levels"]
    ]
    if size % 2**halvings:
        faults.append(f"patches.size {size} can't be halved {halvings} times, once a level of unet.filters")
    if config["prediction"]["stride"] > size:
        faults.append(
            f"prediction.stride {config['prediction']['stride']} leaves gaps between patches of {size} pixels"
        )
    if set(config["rivals"]) & {config["train_cohort"], *config["test_cohorts"]}:
        faults.append("rivals has a cohort of the study itself: an eps = 0 rival must not know its patients")
    private_rivals = [
        rival for rival in config["rivals"] if not config["cohorts"].get(rival, {"public": True})["public"]
    ]
    if private_rivals:
        faults.append(f"rivals has {', '.join(private_rivals)}, not marked `public: true`: such a U-Net would cost eps")
    if faults:
        raise WorkflowError("config: " + "; ".join(faults) + ". Remedy: correct these keys.")


# --- Cohorts: who they are must be known before any job runs ----------------------------------------------------------


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


check_config()
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


GANS = [f"{config['arch']}/{level}/run-{run}" for level in config["levels"] for run in runs(level)]
PAIRS = [
    f"{config['arch']}/{level}/run-{run}/epoch-{epoch}"
    for level in config["levels"]
    for run in runs(level)
    for epoch in gan_epochs(level)
]
PRIVATE_PAIRS = [pairs for pairs in PAIRS if not pairs.startswith(f"{config['arch']}/inf/")]
CONTROLS = [
    f"{config['arch']}/{level}/run-1/epoch-{gan_epochs(level)[-1]}-shuffled"
    for level in config["shuffled"]
    if level in config["levels"]
]


# --- U-Nets -----------------------------------------------------------------------------------------------------------

SETTINGS = {
    f"lr-{rate:g}_dropout-{dropout:g}_augment-{'on' if augment else 'off'}": {
        "learning_rate": rate,
        "dropout": dropout,
        "augment": augment,
    }
    for rate, dropout, augment in product(
        *(config["unet"]["grid"][key] for key in ("learning_rate", "dropout", "augment"))
    )
}
SOURCES = ["real", *config["rivals"], *PAIRS, *CONTROLS]
BASELINES = ["threshold", "frangi"]


def pairs_of(source):
    """The files a U-Net of this source is trained on: patches of patients or phantoms, or one set of synthetic pairs."""
    if source == "real":
        return patches(config["train_cohort"])
    if source in config["rivals"]:
        return patches(source)
    return [f"{RESULTS}/synthetic/{source.removesuffix('-shuffled')}.npz"]


def metric_files(source, setting, cohort, split):
    return [f"{RESULTS}/metrics/{source}/{setting}/{cohort}/{patient}.csv" for patient in ids(cohort, split)]


def prediction_files(source, cohort):
    return [f"{RESULTS}/prediction/{source}/{cohort}/{patient}.nii.gz" for patient in ids(cohort, "test")]


def gan_record(pairs):
    """Level, run and epoch of a GAN's pairs or of their control."""
    _, level, run, epoch = pairs.removesuffix("-shuffled").split("/")
    return {"level": level, "run": int(run.removeprefix("run-")), "epoch": int(epoch.removeprefix("epoch-"))}


TESTED = [*SOURCES, *BASELINES]
SOURCE_RECORDS = (
    {"real": {"kind": "real"}}
    | {rival: {"kind": "phantom"} for rival in config["rivals"]}
    | {
        pairs: {"kind": "private" if is_private(gan_record(pairs)["level"]) else "inf"} | gan_record(pairs)
        for pairs in PAIRS
    }
    | {control: {"kind": "control"} | gan_record(control) for control in CONTROLS}
    | {baseline: {"kind": "baseline"} for baseline in BASELINES}
)


def figure_data(figure):
    """What is drawn: a CSV of numbers, or an npz where pixels are shown."""
    return f"{RESULTS}/figures/{figure}.{'npz' if figure in ('fig2', 'fig4', 'fig7') else 'csv'}"
