"""Attack one run of the audit: bounds from its canaries, and how well patients' patches are recognised."""

from pathlib import Path

import torch

from privessel.audit import attack
from privessel.cohort.patches import load
from privessel.figures.neighbours import neighbours
from privessel.figures.style import save
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.gan.synthesis import synthesise
from privessel.privacy.site import Site
from privessel.scores.formatting import say_eps
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params, given, made, named = snakemake.params, snakemake.input, snakemake.output, snakemake.wildcards
    torch.set_num_threads(params.threads)
    record = read_json(given.privacy, keys=["audit", "epochs"])
    seed = derive(params.seed, "attack", named.arch, named.level, named.run)
    made_up = synthesise(Path(given.generator), seed=seed, device="cpu", **params.synthesis)
    pairs = attack.synthetic_patches(*made_up)
    released = attack.Released(*attack.load_critic(Path(given.critic)), pairs, params.background)
    site = None if params.public else Site.from_config(snakemake.config["privacy"])
    public = load([Path(path) for path in given.public], scale=(-1, 1))
    bound = attack.attack_canaries(record, released, reference=(public.image, public.label), site=site)
    members, others, reference = (
        attack.draw_patches([Path(path) for path in given[split]], each=params.patches, seed=seed)
        for split in ("train", "validation", "test")
    )
    about = attack.describe_run(record)
    membership, roc = attack.attack_members(
        members, others, reference, released, about=about, neighbours=params.neighbours, seed=seed
    )
    for table, path in ((bound, made.bound), (membership, made.membership), (roc, made.roc)):
        with atomic_path(Path(path)) as partial:
            table.to_csv(partial, index=False)
    nearest = attack.find_neighbours(pairs, members, others, shown=8)
    spent = say_eps(about["eps"], unit=record.get("unit", ""))  # a run without noise protects nobody
    title = f"{named.arch}, {named.level}, audit {named.run}: {spent}"
    save(neighbours(nearest, title=title), Path(made.neighbours))
