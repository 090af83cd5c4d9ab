"""Fill in one patient's ballot: how each candidate's U-Net does on patches of this patient. Stays inside."""

from pathlib import Path

import torch

from privessel.cohort.scan import load_scan
from privessel.cohort.table import Patient
from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.net import TrainedUNet
from privessel.vote.ballots import fill_in

with logged(snakemake.log[0]):
    params = snakemake.params
    torch.set_num_threads(params.threads)
    patient = Patient(**params.patient)
    ballot = fill_in(
        patient.id,
        load_scan(patient, patch_size=params.size),
        [TrainedUNet.load(Path(path)) for path in snakemake.input.weights],
        n=params.patches,
        seed=derive(params.seed, "vote", "ballot", patient.cohort, patient.id),
        stride=params.stride,
        prediction=params.prediction,
    )
    ballot.save(Path(snakemake.output[0]))
