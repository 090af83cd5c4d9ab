"""Make the bundle of one synthetic set that may leave, or say why it may not."""

from pathlib import Path

from privessel.cohort.intake import read_voxels
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.privacy.site import Site, find_signer
from privessel.release.bundle import Content, load_content, publish
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
    voxels, results = read_voxels(files.patients), Path(params.results)
    counts = {"public": params.public, "max_overlap": params.max_overlap, "record": record}
    require_protected(record, public=params.public)
    privacy = snakemake.config["privacy"]  # where the secret lies must not be in Snakemake's records
    site = None if params.public else Site.from_config(privacy)
    signer = find_signer(site, privacy)
    entries = read_entries(record, site=site, results=results)
    given = {"site": site, "voxels": voxels, "steps": params.steps, "terms": terms, "results": results}
    guarantee = state_guarantee(record, entries, **given, cohort=count_cohort(files.patches, **counts))
    choice = find_choice(
        params.pairs, results=results, history=files.get("history"), cohort=record["cohort"],
        train_patients=voxels, epochs=record.get("epochs", ()), trainings=guarantee.trainings,
    )  # fmt: skip
    refusals = find_refusals(guarantee, terms=terms, choice=choice)
    require_allowed(refusals, name=terms.name, override=terms.override, region_reason=terms.region_reason)
    forbidden = list_forbidden(
        patients=params.patients, voxels=voxels, paths=map(Path, params.folders), seed=params.seed,
        pairs=params.pairs, site=site, accounts=entries.accounts, terms=terms,
    )  # fmt: skip
    setting = read_json(files.setting, keys=("family", "setting")) if files.get("setting") else None
    numbers = summarise_numbers(guarantee, choice=choice, terms=terms, outweighed=refusals, setting=setting)
    pairs, model = (Path(path) if (path := files.get(name)) else None for name in ("pairs", "model"))
    content = Content(*load_content(pairs, model), numbers, terms, record["arch"], model, signer)
    publish(content, archive=Path(snakemake.output[0]), forbidden=forbidden, threads=snakemake.threads)
