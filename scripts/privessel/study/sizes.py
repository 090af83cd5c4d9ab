"""What a study's cohorts, splits and levels are too small for; said once, before any job.

None of it is an error: the study runs, but a figure will be empty or a number will mean little.
"""

from privessel.limits import FEW_VOTERS, LEAST_PATIENTS
from privessel.study.cohorts import Cohorts
from privessel.study.config import StudyConfig
from privessel.study.gans import ANY_PRIVATE
from privessel.study.site import SitePlan

FEWEST_FOR_P = 6  # test patients: with fewer the signed-rank test cannot give p < 0.05, whatever they say
FEWEST_TO_CHOOSE = 3  # validation patients
FEWEST_AS_UNITS = 100  # train patients, where the noise hides whole patients (docs/mechanism.md)
LARGEST_SAMPLE = 0.01  # share of all units in a private step; the paper's is 0.0008
MOST_PASSES = 10  # of an epoch over the patches; the paper's is 5 (five critic steps a generator step)


def find_small(config: StudyConfig, cohorts: Cohorts, site: SitePlan) -> list[str]:
    """Return a sentence for everything that is too small for what the study asks of it, with a remedy."""
    return [*_few_patients(config, cohorts), *_few_voters(config, site), *_small_levels(config, site)]


def _few_voters(config: StudyConfig, site: SitePlan) -> list[str]:
    voters = site.training_patients
    if not config.vote.levels or voters >= FEW_VOTERS:
        return []
    return [
        f"{_patients(voters, 'train')} vote: chance decides much of what so few choose. Remedy: at least "
        f"{FEW_VOTERS} patients, a larger eps in vote.levels, or fewer vote.candidates."
    ]


def _few_patients(config: StudyConfig, cohorts: Cohorts) -> list[str]:
    cohort = config.train_cohort
    train, validation = (cohorts.count(cohort, split) for split in ("train", "validation"))
    found = []
    if train < 2:
        found.append(
            f"cohort {cohort} has 1 train patient: figure 6 lacks the distance between two halves of the "
            "patients, with which all others are compared. Remedy: give another patient split train."
        )
    if validation < FEWEST_TO_CHOOSE:
        found.append(
            f"cohort {cohort} has {_patients(validation, 'validation')} for the choice of every setting and "
            "run: others would choose otherwise. Remedy: give at least "
            f"{FEWEST_TO_CHOOSE} patients split validation."
        )
    for name in config.test_cohorts:
        test = cohorts.count(name, "test")
        if test < FEWEST_FOR_P:
            parts = "no paired test can give p < 0.05"
            if test < LEAST_PATIENTS:
                parts = f"table 1, figures 3 and 5 and the paired tests have no intervals there, and {parts}"
            found.append(
                f"cohort {name} has {_patients(test, 'test')}: {parts}. Remedy: give at least "
                f"{FEWEST_FOR_P} patients split test."
            )
    return found


def _small_levels(config: StudyConfig, site: SitePlan) -> list[str]:
    found = []
    plain = config.gan_keys("inf")
    passes = plain["steps_per_epoch"] * plain["critic_steps"] * plain["batch"] / site.patches
    if passes > MOST_PASSES:
        found.append(
            f"an epoch of the GANs passes {passes:.0f} times over {site.patches:,} patches, 5 times in the "
            "paper: it takes longer, and costs more eps at private levels. Remedy: lower gan.steps_per_epoch."
        )
    if not config.private_levels:
        return found
    keys, levels = config.gan_keys(ANY_PRIVATE), ", ".join(config.private_levels)
    if config.privacy.unit == "patient" and site.units < FEWEST_AS_UNITS:
        found.append(
            f"privacy.unit is patient, with {_patients(site.units, 'train')}: so few need so much noise that "
            f"{levels} will hardly learn. Remedy: some hundred patients; target `plan` says what yours buy."
        )
    elif keys["batch"] > LARGEST_SAMPLE * site.units:
        found.append(
            f"gan.batch {keys['batch']} is {keys['batch'] / site.units:.1%} of the {site.units:,} units that "
            f"a private step samples from, 0.08% in the paper: {levels} cost more eps, or need more noise. "
            "Remedy: look at the target `plan` before any training."
        )
    if len(config.run_numbers) == 1:
        found.append(
            f"runs is 1: mean and SD over runs stay empty for {levels} in the table of paired tests. Remedy: "
            "none for a single release; for a study more runs, each of which is charged to the patients."
        )
    return found


def _patients(count: int, split: str) -> str:
    return f"{count} {split} patient" + ("" if count == 1 else "s")
