"""A small study's report, with everything in it that could break a page."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from privessel.report.provenance import DURATIONS

CAPTIONS = Path(__file__).parents[1] / "report"
EVIL = '<script>alert("x")</script>'


def scores(n=12):
    """Return scores whose order as text is another than as numbers, with a missing and an infinite value."""
    values = [9, 10, 100, 2, np.nan, 0.5, 1e-5, 1e6, -3, 33, 4, 5][:n]
    eps = [np.inf, 6.24, 10.2, np.nan, *[1.0] * 8][:n]
    return pd.DataFrame(
        {"patient": [f"{k:03d}" for k in range(n)], "source": "wgan/inf", "x": values, "eps": eps}
    )


def small_report(folder):
    """Write the files of a small study with odd names into `folder` and return the arguments of `render`."""
    files = {"scores": scores(), "one": scores(1), "none": scores(0), EVIL.replace("/", ""): scores(2)}
    tables = []
    for name, frame in files.items():
        path = folder / f"{re.sub('[^a-z]', '', name)}.csv"
        frame.to_csv(path, index=False)
        tables.append((f"Table {name}", path))
    pictures = []
    for name in ("table1", "fig3", "plan"):
        Image.new("RGB", (300, 200), (10, 90, 150)).save(folder / f"{name}.png")
        pictures.append((name, f"Title of {name}", folder / f"{name}.png", CAPTIONS / f"{name}.rst"))
    levels = pd.DataFrame(
        {"level": ["inf", "noise-0.65"], "epsilon": [np.nan, 6.251], "epsilon_rdp": [np.nan, 6.8]}
    )
    said = {
        f"{name}_statement": ["", f"{name.capitalize()} level: vacuous."]
        for name in ("patient", "region", "patch")
    }
    levels.assign(**said).to_csv(folder / "plan.csv", index=False)
    return {
        "study": f"demo {EVIL}",
        "overview": {
            "public": False,
            "scale": "Demo scale.",
            "summary": f"real  0.80 +- 0.05 {EVIL}",
            "facts": {"Levels": f"inf, noise-0.65 {EVIL}"},
            "cohorts": [{"name": f"own {EVIL}", "role": "test", "train": 10, "validation": 2, "test": 3}],
        },
        "figures": pictures,
        "tables": tables,
        "plan": folder / "plan.csv",
        "provenance": {
            "software": "privessel 0.1.0",
            "commit": None,
            "packages": {"numpy": "2.4.6"},
            "config": f"study: demo  # {EVIL}\n",
            "digests": {f"results/{EVIL}": "ab" * 32},
            "durations": pd.DataFrame([["gan", 3, 3723.0, 3000.0, np.nan]], columns=DURATIONS),
        },
    }
