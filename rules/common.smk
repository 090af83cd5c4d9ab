"""What the rules share: levels, GANs and U-Nets of the study, and which file comes from where."""

import os
import re
import sys
from itertools import product
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = Path(workflow.basedir, "scripts", "privessel")
sys.path.append(str(LIBRARY.parent))

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


def settled(files):
    """Code of private runs: on patients no edit of it starts them again."""
    files = [str(file) for file in files]
    return files if is_public(config["train_cohort"]) else ancient(files)


def is_private(level):
    return level != "inf"


def is_public(cohort):
    return config["cohorts"][cohort]["public"]


def runs(level):
    numbers = config["runs"] if isinstance(config["runs"], list) else range(1, config["runs"] + 1)
    return list(numbers) if is_private(level) else [1]


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


check_config()

# --- GANs -------------------------------------------------------------------------------------------------------------

GANS = [f"{config['arch']}/{level}/run-{run}" for level in config["levels"] for run in runs(level)]
PAIRS = [
    f"{config['arch']}/{level}/run-{run}/epoch-{epoch}"
    for level in config["levels"]
    for run in runs(level)
    for epoch in gan_epochs(level)
]
PRIVATE_PAIRS = [pairs for pairs in PAIRS if not pairs.startswith(f"{config['arch']}/inf/")]
CONTROLS = [
    f"{config['arch']}/{level}/run-{runs(level)[0]}/epoch-{gan_epochs(level)[-1]}-shuffled"
    for level in config["shuffled"]
    if level in config["levels"]
]


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


def gan_memory(wildcards):
    """MB: patches once as float32, the nets with optimiser states and gradients, activations of one batch."""
    training, size = gan_training(wildcards.level), config["patches"]["size"]
    patches_mb = 9 * size**2 * config["patches"]["per_patient"] * len(ids(config["train_cohort"], "train")) / 1e6
    widths = training["generator_width"], training["critic_width"]
    samples = max(training["micro_batch"], training["generator_batch"])
    nets_mb = 4 * 4 * 900 * sum(width**2 for width in widths) / 1e6
    batch_mb = 4 * 60 * size**2 * sum(widths) * samples / 1e6
    return int(1500 + 2 * patches_mb + nets_mb + batch_mb)


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


def unet_memory(wildcards):
    """MB: the pairs once, and the activations of one batch forward and backward."""
    size, unet = config["patches"]["size"], config["unet"]
    pairs_mb = 5 * size**2 * config["synthesis"]["pairs"] / 1e6
    batch_mb = 4 * 30 * size**2 * unet["filters"][0] * unet["batch"] / 1e6
    return int(1500 + 2 * pairs_mb + batch_mb)


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
