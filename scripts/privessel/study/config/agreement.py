"""Whether the sections of a config fit together, which none of them can tell by itself."""

from privessel.study.config.deid import check_heads
from privessel.study.config.gan import check_bounded
from privessel.study.config.keys import StudyKeys
from privessel.study.obstacles import private_obstacles

# Names of sources, sets and baselines in paths and tables, which no cohort may share.
RESERVED = {"real", "scratch", "threshold", "frangi", "inf", "private", "next", "vote", "private-unet"}


def find_faults(config: StudyKeys) -> list[str]:
    """Return what does not fit together, each with the keys it is about."""
    return [
        *_cohort_faults(config),
        *_level_faults(config),
        *_critic_faults(config),
        *_patch_faults(config),
        *_vote_faults(config),
        *_private_unet_faults(config),
        *_epoch_faults(config),
        *check_heads(config.deid, config.cohorts, release=config.release.name),
    ]


def _cohort_faults(config: StudyKeys) -> list[str]:
    faults = [
        f"cohorts has {name}, which is the name of something else in paths and tables: choose another"
        for name in sorted(RESERVED & set(config.cohorts))
    ]
    faults += [
        f"cohort {name} is used but not described under `cohorts`, which has {', '.join(config.cohorts)}"
        for name in config.used_cohorts
        if name not in config.cohorts
    ]
    if set(config.public_baselines) & {config.train_cohort, *config.test_cohorts}:
        faults.append(
            "public_baselines has a cohort of the study itself; a model at eps = 0 must not know its patients"
        )
    private = [
        name for name in config.public_baselines if name in config.cohorts and not config.cohorts[name].public
    ]
    if private:
        faults.append(
            f"public_baselines has {', '.join(private)}, not marked `public: true`: such a U-Net costs eps"
        )
    return faults


def _level_faults(config: StudyKeys) -> list[str]:
    faults = [
        f"gan.kept_epochs has {epoch}, but level {level} trains {config.gan_keys(level)['epochs']} epochs"
        for level in config.levels
        for epoch in config.gan_keys(level)["kept_epochs"]
        if epoch > config.gan_keys(level)["epochs"]
    ]
    return faults + [
        f"shuffled has {level}, which is not in levels"
        for level in config.shuffled
        if level not in config.levels
    ]


def _critic_faults(config: StudyKeys) -> list[str]:
    """What would stop a training at its first step."""
    faults = []
    if config.private_levels:
        keys = config.gan_keys(config.private_levels[0])
        parts = ("critic_norm", "spectral_norm", "loss", "gradient_penalty")
        faults += [
            f"arch {config.arch} can't be trained at a private level: {reason}"
            for reason in private_obstacles(**{part: keys[part] for part in parts})
        ]
    for level in config.levels:
        faults += check_bounded(config.gan_keys(level), f"{config.arch} at level {level}")
    for arch in config.compared_architectures:
        faults += check_bounded(config.gan_keys("inf", arch), f"{arch} at level inf")
    return faults


def _patch_faults(config: StudyKeys) -> list[str]:
    size, halvings = config.patches.size, len(config.unet.filters) - 1
    faults = []
    if size % 2**halvings:
        faults.append(
            f"patches.size {size} can't be halved {halvings} times, once for every level of unet.filters"
        )
    if config.prediction.stride > size:
        faults.append(
            f"prediction.stride {config.prediction.stride} leaves gaps between patches of {size} pixels"
        )
    if config.privacy.unit == "patient" and config.privacy.patient_patches > config.patches.per_patient:
        faults.append("privacy.patient_patches is more than patches.per_patient")
    if config.quality.perplexity >= 2 * config.quality.tsne_images:
        faults.append(
            "quality.perplexity must be below the images in the embedding, at least 2 x quality.tsne_images"
        )
    return faults


def _vote_faults(config: StudyKeys) -> list[str]:
    size, halvings = config.patches.size, len(config.vote.unet.filters) - 1
    if not config.vote.levels or size % 2**halvings == 0:
        return []
    return [
        f"patches.size {size} can't be halved {halvings} times, once for every level of vote.unet.filters"
    ]


def _private_unet_faults(config: StudyKeys) -> list[str]:
    start = config.private_unet.start
    if not config.private_unet.levels or start in config.public_baselines:
        return []
    return [f"private_unet.start {start} is not in public_baselines, so no public U-Net of it is trained"]


def _epoch_faults(config: StudyKeys) -> list[str]:
    study = config.epoch_study
    if not study.epochs:
        return []
    faults = [
        f"epoch_study.levels has {level}, which is not in levels"
        for level in study.levels
        if level not in config.levels
    ]
    return faults + [
        f"epoch_study.epochs has {epoch}, but level {level} trains {config.gan_keys(level)['epochs']} epochs"
        for level in study.levels
        for epoch in study.epochs
        if epoch > config.gan_keys(level)["epochs"]
    ]
