"""Train the C-DeID-GAN of one fold of people."""

from pathlib import Path

from privessel.deid.run import load_heads, note_people, train_to_files
from privessel.deid.training import read_settings
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.privacy.site import Site
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params, given, made = snakemake.params, snakemake.input, snakemake.output
    name = f"deid/gan/fold-{snakemake.wildcards.fold}"
    shape, training = read_settings(params.training, size=params.size)
    if params.patients:
        # No parameter of the rule: a new budget must not train anew.
        site = Site.from_config(snakemake.config["privacy"])
        note_people(site, params.patients, name=name, digests=read_json(given.checked, keys=()))
    train_to_files(
        load_heads(list(map(Path, given.frames)), list(map(Path, given.gammas)), params.people),
        held_out=params.held_out,
        shape=shape,
        training=training,
        seed=derive(params.seed, name),
        weights=Path(made.generator),
        history_csv=Path(made.history),
    )
