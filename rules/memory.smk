"""How much memory a job asks for, in MB, from the config's sizes."""


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
    return int(1000 + patches_mb + nets_mb + 4 * 25 * size**2 * widths * samples / 1e6)


def unet_memory(pair_bytes):
    """MB: the pairs once, from their bytes a pixel together, and the activations of one batch forward and backward."""
    size, unet = config["patches"]["size"], config["unet"]
    batch_mb = 4 * 30 * size**2 * unet["filters"][0] * unet["batch"] / 1e6
    return int(1500 + pair_bytes * size**2 / 1e6 + batch_mb)


def source_bytes(source):
    """Bytes a pixel of all labelled images of a source: float32 and bool of patches, uint8 and bool of pairs."""
    cohort = config["train_cohort"] if source == "real" else source
    if cohort in COHORTS:
        return 5 * config["patches"]["per_patient"] * len(ids(cohort, "train"))
    return 2 * config["synthesis"]["pairs"]


def quality_memory():
    """MB: one generator's images while they are read, those drawn, SSIM's maps, features of five sets, a network."""
    quality, pixels = config["quality"], config["patches"]["size"] ** 2
    read = 4 * config["synthesis"]["pairs"] * pixels
    drawn = quality["frechet_images"] * (pixels + 5 * 4 * 2048) + 28 * quality["ssim_images"] * pixels
    return 1500 + (read + drawn) // 10**6


def embedding_memory():
    """MB: one generator's images while they are read, the grey values of all that are shown, and their distances."""
    pixels, shown = config["patches"]["size"] ** 2, config["quality"]["tsne_images"] * (3 + len(config["rivals"]))
    read = 4 * config["synthesis"]["pairs"] * pixels
    return 1000 + (read + shown * (9 * pixels + 20 * shown)) // 10**6


def export_memory():
    """MB: the pairs as written and as read back."""
    return 500 + 4 * config["synthesis"]["pairs"] * config["patches"]["size"] ** 2 // 10**6
