"""Make the release of heads that may leave, or say why they may not."""

from pathlib import Path

from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.privacy.site import Site, find_signer
from privessel.release.head_release import Made, list_scans, release_heads
from privessel.release.head_terms import HeadTerms, require_public_scans, require_public_teachers

with logged(snakemake.log[0]):
    params, files, cohort = snakemake.params, snakemake.input, snakemake.params.cohort
    checked = read_json(files.checked, keys=())
    scans = list_scans(
        params.scans,
        params.released,
        digests={one["name"]: checked[f"{cohort}/{one['name']}"] for one in params.scans},
        gammas=files.gammas,
        files={
            "image": files.images,
            "mask": files.masks,
            "sidecar": files.sidecars,
            "frame": files.frames,
            "made": files.made,
        },
    )
    model = Path(files.model)
    require_public_teachers(model.parents[1].glob("gan/fold-*/generator.pt"), params.known)
    privacy = snakemake.config["privacy"]  # where the secret lies must not be in Snakemake's records
    books = Site.from_config(privacy) if privacy["state"] else None
    site = None if params.public else books
    step, results = tuple(map(Path, params.step)), model.parents[2]
    own = () if params.public else f"{cohort}/"
    called_public = {name: digest for name, digest in checked.items() if not name.startswith(own)}
    require_public_scans(called_public, site=books, results=results)
    release_heads(
        Made(cohort, scans, Path(files.hulls), model, results, step, params.seed),
        HeadTerms.from_config(params.terms),
        site=site,
        signer=find_signer(site, privacy),
        forbidden={"people": params.people, "paths": params.folders},
        archive=Path(snakemake.output.archive),
        codes=Path(snakemake.output.codes),
    )
