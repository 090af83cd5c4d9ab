"""Make labelled pairs from one generator, and a sheet of pictures of the first of them."""

from pathlib import Path

import torch

from privessel.device import pick_device
from privessel.figures.pairs import contact_sheet
from privessel.figures.style import save
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.gan.synthesis import pairs_seed, synthesise
from privessel.scores.formatting import say_eps
from privessel.study.names import GanName

SHOWN = 48

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    torch.set_num_threads(params.threads)
    name = GanName(wildcards.arch, wildcards.level, int(wildcards.run), int(wildcards.epoch))
    images, labels = synthesise(
        Path(snakemake.input.generator),
        n=params.synthesis["pairs"],
        seed=pairs_seed(params.seed, name),
        label_threshold=params.synthesis["label_threshold"],
        batch=params.synthesis["batch"],
        device=pick_device(params.device).type,
    )
    record = read_json(snakemake.input.privacy, keys=["epochs"])
    eps = record["epochs"][str(name.epoch)]["epsilon"]
    promise = "no privacy" if eps is None else f"valid {say_eps(eps, unit=record['unit'])}"
    title = f"{name.arch}, {name.level}, run {name.run}, epoch {name.epoch}: {promise}"
    save(contact_sheet(images[:SHOWN], labels[:SHOWN], title=title), Path(snakemake.output.sheet))
    write_arrays(Path(snakemake.output.pairs), image=images, label=labels)
