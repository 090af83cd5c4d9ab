"""How much memory and time a job asks for, from the config's sizes; docs/cluster.md has what was measured.

Memory doubles with a second attempt, triples with a third. Time does not grow: a training goes on from its checkpoint.
"""

AROUND_MB = 600  # beside its script: two processes of Snakemake and the shells between (280 measured on a Slurm)
GPU_TERA = 2  # operations a second (1e12) that an old GPU sustains in float32
THREAD_TERA = 0.02  # the same of one thread of a CPU
# Of scans, which are not opened before their check: a matrix of 0.4 mm. A phantom's is in the config.
SCAN_VOXELS = 40e6


def memory(needed):
    """A rule's mem_mb: MB its script needs, or a function of wildcards that says so, and what a cluster's job needs around it."""

    def asked(wildcards, attempt):
        return attempt * int(AROUND_MB + (needed(wildcards) if callable(needed) else needed))

    return asked


# --- Volumes ----------------------------------------------------------------------------------------------------------


def voxels(cohort):
    """Voxels of a cohort's largest scan."""
    phantom = config["cohorts"][cohort].get("phantom")
    return math.prod(phantom["shape"]) if phantom else SCAN_VOXELS


def volume_memory(bytes_per_voxel, cohort=None):
    """MB: what a step on a whole scan of `cohort`, or of the wildcard's, takes for every voxel, and its libraries."""
    return memory(lambda wildcards: 350 + bytes_per_voxel * voxels(cohort or wildcards.cohort) / 1e6)


def evaluation_memory(cohort):
    """MB: a volume with its distances, the network, and one batch of patches in its forward pass."""
    pixels, filters = config["patches"]["size"] ** 2, config["unet"]["filters"]
    batch_mb = 4 * 10 * pixels * filters[0] * config["prediction"]["batch"] / 1e6
    return memory(700 + 50 * voxels(cohort) / 1e6 + unet_weights_mb() + batch_mb)


def evaluation_minutes(cohort, split):
    """Minutes on CPU threads: every patient's patches through the network, and two minutes for the distances."""
    pixels = config["patches"]["size"] ** 2
    patches_tera = (
        unet_tera() * voxels(cohort) / pixels * (config["patches"]["size"] / config["prediction"]["stride"]) ** 2
    )
    seconds = patches_tera / (THREAD_TERA * config["unet"]["threads"])
    return int(30 + len(ids(cohort, split)) * (2 + seconds / 60))


# --- GANs -------------------------------------------------------------------------------------------------------------


def gan_memory(wildcards):
    """MB: patches once, weights six times (gradients, optimiser, average, checkpoint), activations of one micro-batch.

    Coarsest stages hold nearly all weights: with c filters there 42 c^2 of the generator and 11 c^2 of the critic. 25 numbers
    a pixel and filter are twice what the demo's private level takes.
    """
    training, size = gan_training(wildcards.level, wildcards.arch), config["patches"]["size"]
    patches_mb = 5 * size**2 * config["patches"]["per_patient"] * len(ids(config["train_cohort"], "train")) / 1e6
    coarsest = size // 6 if size % 3 == 0 else size // 8  # x width: halved down to 3 or 4 pixels
    generator, critic = (coarsest * training[f"{net}_width"] for net in ("generator", "critic"))
    nets_mb = 4 * 6 * (42 * generator**2 + 11 * critic**2) / 1e6
    samples = min(training["micro_batch"], training["batch"] + training["generator_batch"])
    widths = training["generator_width"] + training["critic_width"]
    return 1000 + patches_mb + nets_mb + 4 * 25 * size**2 * widths * samples / 1e6


def gan_minutes(wildcards):
    """Minutes on an old GPU: all steps, and 0.1 s a step for starting kernels where the nets are small.

    A pixel takes 178 width^2 operations of a generator that doubles and then convolves, 17 of a transposed one or of a critic
    (torch's counter, 96 pixels); with the gradients three times that.
    """
    training, size = gan_training(wildcards.level, wildcards.arch), config["patches"]["size"]
    upsampling = 178 if training["upsampling"] == "nearest" else 17
    generator, critic = upsampling * training["generator_width"] ** 2, 17 * training["critic_width"] ** 2
    fakes, samples = training["generator_batch"], training["batch"] + training["generator_batch"]
    critic_step = 3 * critic * samples + generator * fakes
    step = training["critic_steps"] * critic_step + 3 * (generator + critic) * fakes
    steps = training["epochs"] * training["steps_per_epoch"]
    return int(60 + steps * (size**2 * step / 1e12 / GPU_TERA + 0.1) / 60)


def synthesis_memory(wildcards):
    """MB: the pairs as floats, while they are made."""
    return 1500 + 4 * config["synthesis"]["pairs"] * config["patches"]["size"] ** 2 / 1e6


# --- U-Nets -----------------------------------------------------------------------------------------------------------


def unet_tera():
    """Operations (1e12) of one patch's forward pass: 83 a pixel, level and squared first filters (torch's counter)."""
    filters = config["unet"]["filters"]
    return 83 * len(filters) * filters[0] ** 2 * config["patches"]["size"] ** 2 / 1e12


def unet_weights_mb():
    """MB of the weights: nearly all in the coarsest levels."""
    return 4 * 30 * config["unet"]["filters"][-1] ** 2 / 1e6


def unet_memory(pairs):
    """MB: the pairs once, the weights six times, and the activations of one batch forward and backward."""
    count, pair_bytes = pairs
    size, unet = config["patches"]["size"], config["unet"]
    batch_mb = 4 * 30 * size**2 * unet["filters"][0] * unet["batch"] / 1e6
    return 900 + count * pair_bytes * size**2 / 1e6 + 6 * unet_weights_mb() + batch_mb


def unet_minutes(pairs, *, epochs):
    """Minutes on an old GPU: all steps, forward and backward, and 0.05 s a step beside."""
    count, _ = pairs
    steps = epochs * config["unet"]["factor_train_samples"] * count / config["unet"]["batch"]
    return int(30 + steps * (3 * config["unet"]["batch"] * unet_tera() / GPU_TERA + 0.05) / 60)


def source_pairs(source):
    """How many labelled images a source has, and their bytes a pixel: float32 and bool of patches, uint8 and bool of pairs."""
    cohort = config["train_cohort"] if source == "real" else source
    if cohort in COHORTS:
        return config["patches"]["per_patient"] * len(ids(cohort, "train")), 5
    return config["synthesis"]["pairs"], 2


def drawn_pairs(k):
    """The same of k patients of the second cohort."""
    return int(k) * config["patches"]["per_patient"], 5


# --- Image quality, figures and exports -------------------------------------------------------------------------------


def quality_memory():
    """MB: one generator's images while they are read, those drawn, SSIM's maps, features of five sets, a network."""
    quality, pixels = config["quality"], config["patches"]["size"] ** 2
    read = 4 * config["synthesis"]["pairs"] * pixels
    drawn = quality["frechet_images"] * (pixels + 5 * 4 * 2048) + 28 * quality["ssim_images"] * pixels
    return memory(1000 + (read + drawn) / 1e6)


def quality_minutes():
    """Minutes on CPU threads: an image through Inception twice, the larger network, and all pairs of SSIM."""
    quality, pixels = config["quality"], config["patches"]["size"] ** 2
    seconds = 2 * 2 * quality["frechet_images"] * 0.006 / (THREAD_TERA * quality["threads"])
    return int(30 + (seconds + quality["ssim_images"] ** 2 * pixels * 1e-7) / 60)


def embedding_memory():
    """MB: one generator's images while they are read, the grey values of all that are shown, and their distances."""
    pixels, shown = config["patches"]["size"] ** 2, config["quality"]["tsne_images"] * (3 + len(config["rivals"]))
    read = 4 * config["synthesis"]["pairs"] * pixels
    return memory(700 + (read + shown * (9 * pixels + 20 * shown)) / 1e6)


def pairs_memory():
    """MB: a set of pairs as written and as read back."""
    return memory(500 + 4 * config["synthesis"]["pairs"] * config["patches"]["size"] ** 2 / 1e6)


# --- Audit ------------------------------------------------------------------------------------------------------------


def audited_memory(wildcards):
    """MB: a run of the study, its patches once more while canaries are put in, and two copies of canaries' gradients."""
    size, patients = config["patches"]["size"], len(ids(config["train_cohort"], "train"))
    patches_mb = 5 * size**2 * (config["patches"]["per_patient"] * patients + 2 * config["audit"]["canaries"]) / 1e6
    return gan_memory(wildcards) + patches_mb + 3000


def audited_minutes(wildcards):
    """Minutes: a run of the study, and at scored steps its sample and every canary through the critic once more."""
    training = gan_training(wildcards.level, wildcards.arch)
    more = (training["batch"] + config["audit"]["canaries"]) / (training["batch"] + training["generator_batch"])
    return int(gan_minutes(wildcards) * (1 + more / config["audit"]["every"]))


def attack_cost():
    """MB and minutes: a patient's patches, those drawn and the pairs as points of 8 bytes a number, and their distances."""
    audit, pixels = config["audit"], config["patches"]["size"] ** 2
    patients = [len(ids(config["train_cohort"], split)) for split in ("train", "validation")]
    patients.append(len(ids(config["test_cohorts"][0], "test")))
    points = audit["patches"] * sum(patients) + audit["synthetic"]
    seconds = 4 * points * audit["synthetic"] * pixels / 1e12 / (THREAD_TERA * config["quality"]["threads"])
    read = 10 * config["patches"]["per_patient"] * pixels
    return 1500 + (read + 40 * points * pixels) / 1e6, int(30 + seconds / 60)
