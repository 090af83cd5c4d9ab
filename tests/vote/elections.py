"""Ballots and candidates that tests vote with."""

import csv
import json
from pathlib import Path

import numpy as np
import torch

from privessel.cohort.patches import digest
from privessel.privacy.keys import create_master
from privessel.privacy.site import SECRET, Site
from privessel.unet.net import TrainedUNet, UNet, UNetShape
from privessel.vote import run as run_module
from privessel.vote.ballots import Ballot
from privessel.vote.ranks import Count
from privessel.vote.run import Vote, hold_vote

PATIENTS = [f"p{number}" for number in range(1, 7)]
VOTE = Vote("eps-1", 1, "cohort")

SHAPE = UNetShape((2, 4), 0.0)


def pairs(number):
    """Images and labels of a candidate."""
    return np.full((2, 8, 8), number, np.uint8), np.ones((2, 8, 8), bool)


def net(seed):
    """The network of the candidate of that number."""
    network = UNet(SHAPE, generator=torch.Generator().manual_seed(seed))
    identity = {"patches": digest(*pairs(seed))}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return TrainedUNet(weights=weights, shape=SHAPE, patch_size=8, mean=100.0, sd=50.0, identity=identity)


def write_candidates(folder, count):
    """Candidates' files as the rules make them; their pairs differ."""
    found = []
    for number in range(1, count + 1):
        own = folder / str(number)
        own.mkdir(parents=True, exist_ok=True)
        net(number).save(own / "weights.pt")
        image, label = pairs(number)
        np.savez(own / "pairs.npz", image=image, label=label)
        (own / "setting.json").write_text(f'{{"candidate": {number}}}\n')
        names = {"pairs.npz": "pairs.npz", "setting.json": "setting.json", "unet.pt": "weights.pt"}
        found.append({name: own / file for name, file in names.items()})
    return found


def ballot(patient, right, *, candidates=None):
    """A ballot on which candidate k marks `right[k]` pixels rightly, of 100."""
    candidates = candidates or [net(number).digest() for number in range(1, len(right) + 1)]
    counts = tuple(Count(one, 3, 100 - one) for one in right)
    return Ballot(patient, f"patches of {patient}", tuple(candidates), counts)


class Poll:
    """Six patients of a site, four candidates, and a study's folder of results."""

    def __init__(self, folder, *, budget=10.0):
        self.site = Site(folder / "state", budget, 1e-5)
        if not (folder / "state" / SECRET).exists():
            create_master(folder / "state" / SECRET)
        self.results = folder / "results"
        self.scans = folder / "train.csv"
        with self.scans.open("w", newline="") as file:
            csv.writer(file).writerows(
                [("patient", "voxels"), *((one, f"scan of {one}") for one in PATIENTS)]
            )
        self.candidates = write_candidates(folder / "candidates", 4)
        self.ballots = [ballot(one, [10 * k + len(one), 50, 40, 70]) for k, one in enumerate(PATIENTS)]

    def folder(self, vote):
        return self.results / vote.name

    def hold(self, vote=VOTE, *, ballots=None, public=False, **changes):
        given = {"patients": len(PATIENTS), "patches": 400} | changes
        source = {
            "seed": 3,
            "site": None if public else self.site,
            "scans": self.scans,
            "results": self.results,
        }
        hold_vote(
            vote,
            ballots or self.ballots,
            self.candidates,
            source_of=source,
            settings=given,
            code=[Path(run_module.__file__)],
            folder=self.folder(vote),
        )
        return json.loads((self.folder(vote) / "privacy.json").read_text())

    def chosen(self, vote=VOTE):
        return json.loads((self.folder(vote) / "setting.json").read_text())["candidate"]

    def charged(self):
        return [account.charge for account in self.site.accounts()]
