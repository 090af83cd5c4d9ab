"""Ballots and candidates that tests vote with."""

import numpy as np
import torch

from privessel.unet.net import TrainedUNet, UNet, UNetShape
from privessel.vote.ballots import Ballot, digest_net
from privessel.vote.ranks import Count

SHAPE = UNetShape((2, 4), 0.0)


def net(seed):
    network = UNet(SHAPE, generator=torch.Generator().manual_seed(seed))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return TrainedUNet(weights=weights, shape=SHAPE, patch_size=8, mean=100.0, sd=50.0, identity={})


def write_candidates(folder, count):
    """Candidates' files as the rules make them; their pairs differ."""
    found = []
    for number in range(1, count + 1):
        own = folder / str(number)
        own.mkdir(parents=True, exist_ok=True)
        net(number).save(own / "weights.pt")
        np.savez(
            own / "pairs.npz", image=np.full((2, 8, 8), number, np.uint8), label=np.ones((2, 8, 8), bool)
        )
        (own / "setting.json").write_text(f'{{"candidate": {number}}}\n')
        names = {"pairs.npz": "pairs.npz", "setting.json": "setting.json", "unet.pt": "weights.pt"}
        found.append({name: own / file for name, file in names.items()})
    return found


def ballot(patient, right, *, candidates=None):
    """A ballot on which candidate k marks `right[k]` pixels rightly, of 100."""
    candidates = candidates or [digest_net(net(number)) for number in range(1, len(right) + 1)]
    counts = tuple(Count(one, 3, 100 - one) for one in right)
    return Ballot(patient, f"patches of {patient}", tuple(candidates), counts)
