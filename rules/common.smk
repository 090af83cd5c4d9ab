"""What the rules share: levels, GANs and U-Nets of the study, and which file comes from where."""

import hashlib
import math
import os
import re
import sys
import time
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = Path(workflow.basedir, "scripts", "privessel")
sys.path.append(str(LIBRARY.parent))

from privessel.seeds import derive, draw

RESULTS = f"results/{config['study']}"
DATA = f"data/{config['study']}"
LOGS = f"logs/{config['study']}"
CPU_ENV = "../envs/images.yaml"
TORCH_ENV = "../envs/torch.yaml"
# Scans are checked and cut before anything is trained, so that bad input shows before hours of training. No input() here
# is ancient(): Snakemake ignores every other reason to run a job whose ancient input is being made anew.
FIRST = 20


def lib(*modules):
    """The library files that decide a rule's result."""
    files = []
    for module in modules:
        path = LIBRARY / f"{module}.py"
        files += [path] if path.exists() else sorted((LIBRARY / module).glob("*.py"))
    return [os.path.relpath(path) for path in files]


@cache
def file_digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def lib_digest(*modules):
    """A digest of the library files that decide a rule's result, for its params: an edit reruns it, a touch does not.

    As inputs of every job they made most of the graph's files, and half the time of a dry run.
    """
    files = lib(*modules)
    return hashlib.sha256("".join(f"{file} {file_digest(file)} " for file in files).encode()).hexdigest()[:16]


def settled(files):
    """Code of private runs: on patients no edit of it starts them again."""
    files = [str(file) for file in files]
    return files if is_public(config["train_cohort"]) else ancient(files)


def made_in_the_future():
    """Results whose modification time has not come yet; a minute is what clocks of a cluster may differ by."""
    ahead = []
    for path in [*Path(RESULTS).rglob("*"), *Path(DATA).rglob("*")]:
        with suppress(FileNotFoundError):  # a temporary file, gone by now
            if path.lstat().st_mtime > time.time() + 60:
                ahead.append(path)
    return ahead


def is_private(level):
    return level != "inf"


def is_public(cohort):
    return config["cohorts"][cohort]["public"]


def runs(level):
    numbers = config["runs"] if isinstance(config["runs"], list) else range(1, config["runs"] + 1)
    return list(numbers) if is_private(level) else [1]


def gan_training(level, arch=config["arch"]):
    """The GAN's keys: an architecture's own replace the common ones, and those under `gan.private` both, where there is noise."""
    keys = {key: value for key, value in config["gan"].items() if key not in ("private", "architectures")}
    keys |= config["gan"]["architectures"][arch]
    return keys | (config["gan"]["private"] if is_private(level) else {})


def kept_epochs(level):
    """Epochs whose generators are evaluated in full, the same for every architecture."""
    return gan_training(level)["kept_epochs"]


def studied_epochs(level):
    """Epochs whose generators are saved of a run that is in the epoch study."""
    return sorted({*kept_epochs(level), *config["epoch_study"]["epochs"]})


def saved_epochs(arch, level, run):
    return studied_epochs(level) if f"{arch}/{level}/run-{run}" in STUDIED_GANS else kept_epochs(level)


def one_of(names):
    """A pattern of these names; of no name one that nothing matches."""
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


def setting_name(learning_rate, dropout, augment):
    return f"lr-{learning_rate:g}_dropout-{dropout:g}_augment-{'on' if augment else 'off'}"


# --- GANs -------------------------------------------------------------------------------------------------------------

STUDIED_LEVELS = config["epoch_study"]["levels"] if config["epoch_study"]["epochs"] else []
STUDIED_RUNS = [run for run in config["epoch_study"]["runs"] if run in runs("noise-1")]
STUDIED_GANS = [
    f"{config['arch']}/{level}/run-{run}" for level in STUDIED_LEVELS for run in STUDIED_RUNS if run in runs(level)
]
PAIRS = [
    f"{config['arch']}/{level}/run-{run}/epoch-{epoch}"
    for level in config["levels"]
    for run in runs(level)
    for epoch in kept_epochs(level)
]
COMPARED = [f"{arch}/inf/run-1/epoch-{kept_epochs('inf')[-1]}" for arch in config["compared"] if arch != config["arch"]]
GANS = list(dict.fromkeys(pairs.rpartition("/")[0] for pairs in [*PAIRS, *COMPARED]))
PRIVATE_PAIRS = [pairs for pairs in PAIRS if not pairs.startswith(f"{config['arch']}/inf/")]
CONTROLS = [
    f"{config['arch']}/{level}/run-{runs(level)[0]}/epoch-{kept_epochs(level)[-1]}-shuffled"
    for level in config["shuffled"]
]
EPOCH_STUDY = [f"{gan}/epoch-{epoch}" for gan in STUDIED_GANS for epoch in studied_epochs(gan.split("/")[1])]


def planned_mechanism():
    """What the private levels will do, as `planner.plan_levels` takes it: all steps of a run."""
    training, patients = gan_training("noise-1"), len(ids(config["train_cohort"], "train"))
    steps = training["epochs"] * training["steps_per_epoch"] * training["critic_steps"]
    unit = config["privacy"]["unit"]
    return {
        "sampling_rate": training["batch"] / privacy_units(),
        "steps": steps,
        "critic_steps": training["critic_steps"],
        "delta": config["privacy"]["delta" if unit == "patch" else "patient_delta"],
        "unit": unit,
        "patients": patients,
        "patches_per_patient": config["patches"]["per_patient"],
    }


# --- U-Nets -----------------------------------------------------------------------------------------------------------

SETTINGS = {
    setting_name(*values): dict(zip(("learning_rate", "dropout", "augment"), values))
    for values in product(*(config["unet"]["grid"][key] for key in ("learning_rate", "dropout", "augment")))
}
STUDY_SETTING = setting_name(**config["epoch_study"]["setting"])
KNOWN_SETTINGS = SETTINGS | {STUDY_SETTING: config["epoch_study"]["setting"]}
SOURCES = ["real", *config["rivals"], *PAIRS, *COMPARED, *CONTROLS]
BASELINES = ["threshold", "frangi"]


def pairs_of(source):
    """The labelled images of a source: patches of patients or phantoms, or one set of synthetic pairs."""
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
    """Architecture, level, run and epoch of a GAN's pairs or of their control."""
    arch, level, run, epoch = pairs.removesuffix("-shuffled").split("/")
    run, epoch = int(run.removeprefix("run-")), int(epoch.removeprefix("epoch-"))
    return {"arch": arch, "level": level, "run": run, "epoch": epoch}


TESTED = [*SOURCES, *BASELINES]
SOURCE_RECORDS = (
    {"real": {"kind": "real"}}
    | {rival: {"kind": "phantom"} for rival in config["rivals"]}
    | {
        pairs: {"kind": "private" if is_private(gan_record(pairs)["level"]) else "inf"} | gan_record(pairs)
        for pairs in PAIRS
    }
    | {pairs: {"kind": "compared"} | gan_record(pairs) for pairs in COMPARED}
    | {control: {"kind": "control"} | gan_record(control) for control in CONTROLS}
    | {baseline: {"kind": "baseline"} for baseline in BASELINES}
)

# --- Image quality ----------------------------------------------------------------------------------------------------

IMAGE_SETS = ["real", *config["rivals"], *PAIRS, *COMPARED]
EMBEDDED = ["real", *config["rivals"], *PAIRS]


# --- Export -----------------------------------------------------------------------------------------------------------


def exported_sets(wildcards):
    unknown = [pairs for pairs in config["export"] if pairs not in [*PAIRS, *COMPARED]]
    if unknown:
        raise WorkflowError(
            f"config: export has {', '.join(unknown)}, not in this study. Remedy: name sets such as {PAIRS[-1]}."
        )
    return [f"{RESULTS}/export/{form}/{pairs}" for form in ("nnunet", "png") for pairs in config["export"]]


def dataset_id(pairs):
    """nnU-Net's number of a set: no two of a study share one, as far as three digits go. Up to 500 are its own."""
    return 501 + [*PAIRS, *COMPARED, *EPOCH_STUDY].index(pairs) % 499


SECOND_COHORT = config["test_cohorts"][1] if len(config["test_cohorts"]) > 1 else None

# --- Transfer learning ------------------------------------------------------------------------------------------------

TRANSFER_STARTS = [
    f"{source}/run-{runs(level)[0]}/epoch-{kept_epochs(level)[-1]}"
    for source in config["transfer"]["sources"]
    for level in [source.split("/")[1]]
]
TRANSFER = [
    f"transfer/{start}/patients-{k}/draw-{number}"
    for start in ["scratch", *TRANSFER_STARTS]
    for k in config["transfer"]["patients"]
    for number in range(1, config["transfer"]["draws"] + 1)
]


def tuned_metric_files(tuned):
    start, _, number = tuned.rpartition("/")
    return metric_files(start, number, SECOND_COHORT, "test")


def drawn_patients(wildcards):
    """The patients of one draw, the same for every start."""
    seed = derive(config["seed"], "transfer", SECOND_COHORT, wildcards.k, wildcards.draw)
    return draw(ids(SECOND_COHORT, "train"), int(wildcards.k), seed=seed)
