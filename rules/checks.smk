"""What a schema can't say: keys that must fit each other and the number of patients, checked before any job."""

from privessel.study.architectures import private_obstacles


def check_levels():
    faults = [
        f"gan.kept_epochs has {epoch}, but level {level} trains {gan_training(level)['epochs']} epochs"
        for level in config["levels"]
        for epoch in kept_epochs(level)
        if epoch > gan_training(level)["epochs"]
    ]
    faults += [f"shuffled has {level}, which is not in levels" for level in config["shuffled"] if level not in LEVELS]
    if any(is_private(level) for level in LEVELS):
        keys = ("critic_norm", "spectral_norm", "loss", "gradient_penalty")
        reasons = private_obstacles(**{key: gan_training("noise-1")[key] for key in keys})
        faults += [f"arch {config['arch']} can't be trained at a private level: {reason}" for reason in reasons]
    return faults


def check_losses():
    """What would stop a training at its first step."""
    faults = []
    trained = [(config["arch"], level) for level in LEVELS] + [(arch, "inf") for arch in config["compared"]]
    for arch, level in trained:
        keys, name = gan_training(level, arch), f"{arch} at level {level}"
        if keys["gradient_penalty"] and keys["batch"] != keys["generator_batch"]:
            faults.append(
                f"{name}: gradient_penalty mixes each patch with a fake, so batch and generator_batch must be equal"
            )
        if keys["gradient_penalty"] and keys["critic_norm"] == "batch":
            faults.append(f"{name}: gradient_penalty is a patch's own, and critic_norm batch mixes patches")
        if keys["loss"] == "wasserstein" and not (
            keys["weight_clip"] or keys["gradient_penalty"] or keys["spectral_norm"]
        ):
            faults.append(f"{name}: nothing bounds the critic: set weight_clip, gradient_penalty or spectral_norm")
    return faults


def check_patches():
    size, halvings = config["patches"]["size"], len(config["unet"]["filters"]) - 1
    faults = []
    if size % 2**halvings:
        faults.append(f"patches.size {size} can't be halved {halvings} times, once a level of unet.filters")
    if config["prediction"]["stride"] > size:
        faults.append(
            f"prediction.stride {config['prediction']['stride']} leaves gaps between patches of {size} pixels"
        )
    return faults


def check_rivals():
    faults = []
    if set(config["rivals"]) & {config["train_cohort"], *config["test_cohorts"]}:
        faults.append("rivals has a cohort of the study itself: an eps = 0 rival must not know its patients")
    private = [rival for rival in config["rivals"] if not is_public(rival)]
    if private:
        faults.append(f"rivals has {', '.join(private)}, not marked `public: true`: such a U-Net would cost eps")
    return faults


def check_units():
    unit, batch = config["privacy"]["unit"], gan_training("noise-1")["batch"]
    faults = []
    if any(is_private(level) for level in LEVELS) and batch > privacy_units():
        faults.append(f"gan.batch {batch} is more than the {privacy_units()} that a private step samples from ({unit})")
    if config["privacy"]["patient_patches"] > config["patches"]["per_patient"] and unit == "patient":
        faults.append("privacy.patient_patches is more than patches.per_patient")
    return faults


def check_epoch_study():
    study = config["epoch_study"]
    if not study["epochs"]:
        return []
    faults = [
        f"epoch_study.levels has {level}, which is not in levels" for level in study["levels"] if level not in LEVELS
    ]
    faults += [
        f"epoch_study.epochs has {epoch}, but level {level} trains {gan_training(level)['epochs']} epochs"
        for level in study["levels"]
        for epoch in study["epochs"]
        if epoch > gan_training(level)["epochs"]
    ]
    return faults


def check_quality():
    """Every set must have as many images as are compared; the floor needs twice as many of training patients."""
    each, patients = config["patches"]["per_patient"], len(ids(config["train_cohort"], "train"))
    train, test = each * patients, each * len(ids(config["test_cohorts"][0], "test"))
    half = each * (patients // 2) if patients > 1 else train
    pairs = config["synthesis"]["pairs"]
    rivals = [each * len(ids(rival, "train")) for rival in config["rivals"]]
    most = {
        "frechet_images": min(half, test, pairs, *rivals),
        "ssim_images": min(train, pairs, *rivals),
        "tsne_images": min(train, pairs, *rivals),
    }
    faults = [
        f"quality.{key} {config['quality'][key]} is more than the smallest set compared has ({limit})"
        for key, limit in most.items()
        if config["quality"][key] > limit
    ]
    if config["quality"]["perplexity"] >= 2 * config["quality"]["tsne_images"]:
        faults.append("quality.perplexity must be below the images in the embedding, at least 2 x quality.tsne_images")
    return faults


def check_transfer():
    wanted = config["transfer"]["patients"]
    if not wanted:
        return []
    remedy = "or set transfer.patients to [] for no such study"
    if SECOND_COHORT is None:
        return [f"transfer.patients needs a second test cohort: name one in test_cohorts, {remedy}"]
    there = len(ids(SECOND_COHORT, "train"))
    faults = [
        f"transfer.patients has {k}, but {SECOND_COHORT} has {there} train patients, of whom they are drawn: give it more "
        f"with split `train`, {remedy}"
        for k in wanted
        if k > there
    ]
    return faults + [
        f"transfer.sources has {source}, which is no GAN of this study (levels, compared)"
        for source, start in zip(config["transfer"]["sources"], TRANSFER_STARTS)
        if start not in [*PAIRS, *COMPARED]
    ]


LEVELS = config["levels"]
FAULTS = [
    fault
    for check in (
        check_levels,
        check_losses,
        check_patches,
        check_rivals,
        check_units,
        check_epoch_study,
        check_quality,
        check_transfer,
    )
    for fault in check()
]
if FAULTS and not ABSENT:
    raise WorkflowError("config: " + "; ".join(FAULTS) + ". Remedy: correct these keys.")
