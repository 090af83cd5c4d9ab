"""What no model of the config alone can say: keys that must fit the number of patients, before any job."""

import math

from privessel.errors import ConfigError
from privessel.limits import FEWEST_VOTERS, MOST_PATIENT_DELTA
from privessel.study.cohorts import Cohorts
from privessel.study.config import StudyConfig
from privessel.study.config.fields import resolve_delta
from privessel.study.gans import ANY_PRIVATE
from privessel.study.site import SitePlan
from privessel.study.transfers import TransferPlan


def check_study(config: StudyConfig, cohorts: Cohorts, transfers: TransferPlan, site: SitePlan) -> None:
    """Raise ConfigError that lists every key which does not fit the study's patients."""
    faults = [
        *_check_units(config, site),
        *_check_release(config, site),
        *_check_vote(config, site),
        *_check_private_unet(config, site),
        *_check_quality(config, cohorts),
        *_check_transfer(config, cohorts, transfers),
    ]
    if faults:
        raise ConfigError("config: " + "; ".join(faults) + ". Remedy: correct these keys.")


def _check_units(config: StudyConfig, site: SitePlan) -> list[str]:
    batch, unit = config.gan_keys(ANY_PRIVATE)["batch"], config.privacy.unit
    if not config.private_levels or batch <= site.units:
        return []
    return [f"gan.batch {batch} is more than the {site.units} that a private step samples from ({unit})"]


def _check_vote(config: StudyConfig, site: SitePlan) -> list[str]:
    if not config.vote.levels or site.training_patients >= FEWEST_VOTERS:
        return []
    return [
        f"vote.levels asks {site.training_patients} training patients to vote, and {FEWEST_VOTERS} are the "
        "fewest whose ranks say more than the draw's chance: set it to [] for no vote"
    ]


def _check_private_unet(config: StudyConfig, site: SitePlan) -> list[str]:
    batch, unit = config.private_unet.batch, config.privacy.unit
    if not config.private_unet.levels or batch <= site.units:
        return []
    return [f"private_unet.batch {batch} is more than the {site.units} that a step samples from ({unit})"]


def _check_release(config: StudyConfig, site: SitePlan) -> list[str]:
    """A share of few patients, such as 1/(20 units), can be above what a release allows."""
    delta = resolve_delta(config.release.patient_delta, units=site.training_patients)
    if not config.release.pairs or delta <= MOST_PATIENT_DELTA:
        return []
    return [
        f"release.patient_delta is {delta:.3g} for {site.training_patients} patients; a release needs at "
        f"most "
        f"{MOST_PATIENT_DELTA:g}"
    ]


def _check_quality(config: StudyConfig, cohorts: Cohorts) -> list[str]:
    """Every set must have as many images as are compared; the floor needs two halves of the patients."""
    each = config.patches.per_patient
    patients = cohorts.count(config.train_cohort, "train")
    train, test = each * patients, each * cohorts.count(config.test_cohorts[0], "test")
    half = each * (patients // 2) if patients > 1 else train
    pairs = min(config.synthesis.pairs, config.vote.pairs if config.vote.levels else math.inf)
    free = [each * cohorts.count(name, "train") for name in config.public_baselines]
    limits = {
        "frechet_images": min(half, test, pairs, *free),
        "ssim_images": min(train, pairs, *free),
        "tsne_images": min(train, pairs, *free),
    }
    return [
        f"quality.{key} {getattr(config.quality, key)} is more than the smallest set compared has ({limit})"
        for key, limit in limits.items()
        if getattr(config.quality, key) > limit
    ]


def _check_transfer(config: StudyConfig, cohorts: Cohorts, transfers: TransferPlan) -> list[str]:
    wanted = config.transfer.patients
    if not wanted:
        return []
    remedy = "or set transfer.patients to [] for no such study"
    cohort = config.second_cohort
    if cohort is None:
        return [f"transfer.patients needs a second test cohort: name one in test_cohorts, {remedy}"]
    there = cohorts.count(cohort, "train")
    faults = [
        f"transfer.patients has {k}, but {cohort} has {there} train patients, of whom they are chosen: give "
        f"it more with split `train`, {remedy}"
        for k in wanted
        if k > there
    ]
    gans = transfers.sources.gans
    known = {*gans.pairs, *gans.compared}
    return faults + [
        f"transfer.sources has {source}, which is no GAN of this study (levels, compared_architectures)"
        for source, start in zip(config.transfer.sources, transfers.starts, strict=True)
        if start not in known
    ]
