"""Make the bundle of one synthetic set that may leave, or say why it may not."""

from pathlib import Path

from privessel.cohort.intake import read_voxels
from privessel.cohort.patches import load_pairs
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.privacy.site import Site, find_signer
from privessel.release.bundle import Content, publish
from privessel.release.forbidden import list_forbidden
from privessel.release.guarantee import RECORDED, count_cohort, state_guarantee
from privessel.release.own_run import read_entries
from privessel.release.refusals import find_refusals, require_allowed, require_protected
from privessel.release.selection import find_choice
from privessel.release.statement import summarise_numbers
from privessel.release.terms import Terms

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.input
    terms, record = Terms.from_config(params.terms), read_json(files.privacy, keys=RECORDED)
    voxels, results = read_voxels(Path(files.patients)), Path(params.results)
    counts = {"public": params.public, "max_overlap": params.max_overlap}
    cohort = count_cohort([Path(path) for path in files.patches], **counts)
    # No parameter: where a site keeps its secret must not be in Snakemake's records.
    site = None if params.public else Site.from_config(snakemake.config["privacy"])
    require_protected(record, public=params.public)
    signer = find_signer(site, snakemake.config["privacy"])
    given = {"site": site, "voxels": voxels, "steps": params.steps, "cohort": cohort, "terms": terms}
    entries = read_entries(record, site=site, results=results)
    guarantee = state_guarantee(record, entries, **given, results=results)
    choice = find_choice(
        params.pairs, results=results, history=Path(files.history), cohort=record["cohort"],
        train_patients=voxels, epochs=record["epochs"], trainings=guarantee.trainings,
    )  # fmt: skip
    refusals = find_refusals(guarantee, terms=terms, choice=choice)
    require_allowed(refusals, name=terms.name, override=terms.override, region_reason=terms.region_reason)
    forbidden = list_forbidden(
        patients=params.patients, voxels=voxels, paths=map(Path, params.folders), seed=params.seed,
        pairs=params.pairs, site=site, accounts=entries.accounts, terms=terms,
    )  # fmt: skip
    numbers = summarise_numbers(guarantee, choice=choice, terms=terms, outweighed=refusals)
    generator = Path(files.generator) if terms.weights else None
    content = Content(*load_pairs([Path(files.pairs)]), numbers, terms, record["arch"], generator, signer)
    publish(content, archive=Path(snakemake.output[0]), forbidden=forbidden, threads=snakemake.threads)
