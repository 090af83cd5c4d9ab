"""Hand-made tables behind the figures of image quality, architectures, transfer learning and epochs."""

import numpy as np
import pandas as pd
from scores.examples import rows, study

EPS = {2.0: (0.82, 1.31), 1.0: (2.4, 3.9), 0.65: (6.24, 10.18)}


LITE0 = "Frechet distance (EfficientNet-Lite0)"


GP_SN = "wgan-gp-sn/inf/run-1/epoch-50"


def identity(source, kind, noise=None, run=np.nan):
    """Return who a source is: a GAN's has a run, and a noise multiplier if it is private."""
    eps, published = EPS.get(noise, (np.inf, np.inf) if np.isfinite(run) else (np.nan, np.nan))
    level = "" if np.isnan(run) else "inf" if noise is None else f"noise-{noise:g}"
    return {
        "source": source,
        "kind": kind,
        "level": level,
        "noise_multiplier": np.nan if noise is None else noise,
        "run": run,
        "epoch": 50.0 if np.isfinite(run) else np.nan,
        "eps_patient": 1000 * eps,
        "eps_region": 20 * eps,
        "eps": eps,
        "eps_published": published,
        "unit": "" if noise is None else "patch",
        "validation_dsc": 0.5,
    }


def measured(about, train, test, ssim):
    values = {"frechet_train": train, "frechet_test": test, "ssim_mean": ssim, "ssim_sd": 0.1}
    return about | values | {"images_frechet": 2000, "images_ssim": 1000, "extractor": LITE0}


def quality():
    """Return image quality of a study of two noisy levels with two runs, the second run closer to train."""
    table = [
        measured(identity("real", "real"), 50, 89, 0.3),
        measured(identity("phantom-one", "phantom"), 260, 270, 0.5),
        measured(identity("phantom-random", "phantom"), 240, 244, 0.4),
        measured(identity("wgan/inf/run-1/epoch-50", "inf", run=1), 100, 120, 0.32),
        measured(identity("dcgan/inf/run-1/epoch-50", "compared", run=1), 130, 140, 0.35),
    ]
    for noise, (train, ssim) in {0.65: (200, 0.4), 2.0: (400, 0.96)}.items():
        for run in (1, 2):
            about = identity(f"wgan/noise-{noise:g}/run-{run}/epoch-50", "private", noise, run)
            table.append(measured(about, train + 20 * run, train + 30 * run, ssim + 0.01 * run))
    return pd.DataFrame(table)


def architectures():
    """Return the small study of figure 3 with two more architectures, one of them in two runs."""
    plain = {"level": "inf", "eps": np.inf, "eps_published": np.inf}
    more = [
        rows("dcgan/inf/run-1/epoch-50", "compared", [0.5, 0.7], validation=0.6, run=1, **plain),
        rows("wgan-gp-sn/inf/run-1/epoch-50", "compared", [0.9, 0.9], validation=0.6, run=1, **plain),
        rows("wgan-gp-sn/inf/run-2/epoch-50", "compared", [0.8, 0.9], validation=0.7, run=2, **plain),
    ]
    frame = pd.concat([study(), *more], ignore_index=True)
    return frame.assign(hd95_mm=30 - 20 * frame["dsc"])


def tuned(start, kind, values, *, noise=None, run=np.nan):
    """Return the rows of one start: `values[k][draw]` is the mean DSC of two test patients 0.1 apart."""
    about = {"start": start} | identity(start, kind, noise, run)
    about = {key: about[key] for key in ("start", "kind", "level", "noise_multiplier", "eps")} | {
        "eps_published": about["eps_published"],
        "unit": about["unit"],
    }
    return pd.DataFrame(
        [
            about
            | {"patients": k, "draw": 0 if k == 0 else draw, "cohort": "phantom-b", "patient": f"b{patient}"}
            | {"dsc": mean + side, "hd95_voxel": 60 - 40 * mean, "hd95_mm": 30 - 20 * mean, "empty": 0}
            for k, draws in values.items()
            for draw, mean in enumerate(draws, start=1)
            for patient, side in enumerate((-0.05, 0.05))
        ]
    )


def transferred():
    return pd.concat(
        [
            tuned("scratch", "scratch", {1: [0.2, 0.4], 5: [0.6, 0.7]}),
            tuned(GP_SN, "compared", {0: [0.7], 1: [0.75, 0.77], 5: [0.8, 0.82]}, run=1),
            tuned(
                "wgan/noise-0.65/run-2/epoch-50",
                "private",
                {0: [0.5], 1: [0.6], 5: [0.7, 0.72]},
                noise=0.65,
                run=2,
            ),
            tuned("frangi", "baseline", {0: [0.64]}),
            tuned("phantom-random", "phantom", {0: [0.6]}),
            tuned("phantom-one", "phantom", {0: [0.25]}),
            tuned("threshold", "baseline", {0: [0.62]}),
        ],
        ignore_index=True,
    )


def trained(level, values, *, noise=np.nan, eps=np.inf, arch="wgan"):
    """Return rows of one level; `values[epoch]` are its runs, eps grows with the root of the epoch."""
    return pd.DataFrame(
        [
            {
                "source": f"{arch}/{level}/run-{run}/epoch-{epoch}",
                "kind": "private" if np.isfinite(noise) else "inf",
                "arch": arch,
                "level": level,
                "noise_multiplier": noise,
                "run": run,
                "epoch": epoch,
                "eps": eps * np.sqrt(epoch / 50),
                "eps_published": 1.6 * eps * np.sqrt(epoch / 50),
                "unit": "patch" if np.isfinite(noise) else "",
                "dsc_mean": value,
                "dsc_sd": 0.05,
                "patients": 11,
                "kept": epoch == 50,
            }
            for epoch, runs in values.items()
            for run, value in enumerate(runs, start=1)
        ]
    )


def epoch_study():
    private = trained("noise-0.65", {10: [0.4, 0.5], 29: [0.7, 0.6], 50: [0.5, 0.7]}, noise=0.65, eps=6.24)
    free = {"phantom-random": 0.9, "phantom-one": 0.25, "threshold": 0.55, "frangi": 0.58}
    rivals = pd.DataFrame([{"source": name, "dsc_mean": dsc, "kept": True} for name, dsc in free.items()])
    rivals["kind"] = ["phantom", "phantom", "baseline", "baseline"]
    return pd.concat([private, trained("inf", {10: [0.6], 29: [0.7], 50: [0.8]}), rivals], ignore_index=True)
