"""Make the site's master secret, once; it is no output, because Snakemake deletes and remakes outputs."""

import logging

from privessel.files.script import logged
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    secret = Site.described(snakemake.config["privacy"]).found()
    logging.getLogger("privessel").info(
        "made the master secret %s. Back it up, with the ledgers that will lie beside it, where only you can "
        "read: who has it can take the noise off every private model of this site.",
        secret,
    )
