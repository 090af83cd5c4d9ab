"""Hand-made score tables of small studies."""

import numpy as np
import pandas as pd

LEVELS = {0.65: (6.24, 10.18), 0.8: (3.53, 5.72), 2.0: (0.82, 1.31)}


COHORTS = ("phantom-a", "phantom-b")


def rows(source, kind, dsc, *, validation=0.5, cohorts=COHORTS, noise=np.nan, run=np.nan, **more):
    """Return the score rows of one source; `dsc` is a list over patients, the same in every cohort."""
    level = "inf" if kind == "inf" else f"noise-{noise:g}" if np.isfinite(noise) else ""
    eps, published = LEVELS.get(noise, (np.inf, np.inf) if kind == "inf" else (np.nan, np.nan))
    values = [np.nan if value is None else value for value in dsc]
    return pd.DataFrame(
        [
            {
                "source": source,
                "kind": kind,
                "level": level,
                "noise_multiplier": noise,
                "run": run,
                "epoch": 50 if np.isfinite(run) else np.nan,
                "eps_patient": 1000 * eps,
                "eps_region": 20 * eps,
                "eps": eps,
                "eps_published": published,
                "unit": "patch" if np.isfinite(noise) else "",
                "setting": "a",
                "validation_dsc": validation,
                "cohort": cohort,
                "patient": f"{cohort}-{k}",
                "dsc": value,
                "bahd_voxel": 340.0 if value == 0 else 0.5 / value,
                "cldice": 1.1 * value,
                "component_error": 100 * (1 - value),
                "empty": int(value == 0),
            }
            | more
            for cohort in cohorts
            for k, value in enumerate(values)
        ]
    )


def free_rows(**more):
    return [
        rows("real", "real", [0.8, 0.9], **more),
        rows("phantom-one", "phantom", [0.2, 0.3], **more),
        rows("phantom-random", "phantom", [0.65, 0.75], **more),
        rows("threshold", "baseline", [0.55, 0.65], **more),
        rows("frangi", "baseline", [0.4, 0.5], **more),
    ]


def study():
    """Return a small study: two noisy levels of three runs, one without privacy, one control."""
    gans = [rows("wgan/inf/run-1/epoch-50", "inf", [0.7, 0.9], run=1)]
    for noise, means in ((0.65, (0.5, 0.6, 0.7)), (2.0, (0.1, 0.3, 0.2))):
        for run, mean in enumerate(means, start=1):
            source = f"wgan/noise-{noise:g}/run-{run}/epoch-50"
            dsc = [mean - 0.05, mean + 0.05]
            # By validation run 2 is the best of each level, whatever the test patients say.
            gans.append(
                rows(source, "private", dsc, noise=noise, run=run, validation=0.9 if run == 2 else mean)
            )
    control = rows("wgan/noise-0.65/run-2/epoch-50-shuffled", "control", [0.02, 0.04], noise=0.65, run=2)
    return pd.concat([*free_rows(), *gans, control], ignore_index=True)


def demo():
    """Return what a demo has: one private run, three patients in one cohort and two in the other."""
    gans = [
        rows("wgan/inf/run-1/epoch-5", "inf", [0.5, 0.5], run=1),
        rows("wgan/noise-0.65/run-1/epoch-5", "private", [0.4, 0.4], noise=0.65, run=1),
    ]
    return pd.concat([*free_rows(), *gans], ignore_index=True)


def three_patients():
    """Return a level of one run and the free rows, all with three patients."""
    parts = [rows(name, "baseline", [0.55, 0.65, 0.6]) for name in ("threshold", "frangi")]
    parts.append(rows("real", "real", [0.7, 0.8, 0.9]))
    parts.append(rows("wgan/noise-2/run-1/epoch-50", "private", [0.3, 0.5, 0.1], noise=2.0, run=1))
    return pd.concat(parts, ignore_index=True)


def vote_rows(dsc=(0.7, 0.8), **more):
    """Return the rows of a vote of whole patients at eps 1."""
    spent = {"eps_patient": 1.0, "eps_region": 2.0, "eps": 2.0, "eps_published": np.nan}
    named = {"level": "eps-1", "epoch": np.nan, "unit": "patient"}
    return rows("vote/eps-1/run-1", "vote", list(dsc), run=1, **named, **spent, **more)


def unet_rows(dsc=(0.7, 0.8), *, run=1, level="eps-8", **more):
    """Return the rows of a private U-Net whose noise hides patches; nothing like it was published."""
    spent = {"eps_patient": 2e5, "eps_region": 90.0, "eps": 7.99, "eps_published": np.nan}
    spent |= {"noise_multiplier": 0.43, "level": level, "epoch": np.nan, "unit": "patch"}
    return rows(f"private-unet/{level}/run-{run}", "private-unet", list(dsc), run=run, **{**spent, **more})


def for_patients(scores):
    """Return the scores of a study whose GANs hide whole patients; their eps are those of `scores`."""
    private = scores["noise_multiplier"].notna()
    return scores.assign(
        unit=scores["unit"].mask(private, "patient"),
        eps_patient=scores["eps_patient"].mask(private, scores["eps"]),
        eps_region=scores["eps_region"].mask(private, np.nan),
    )
