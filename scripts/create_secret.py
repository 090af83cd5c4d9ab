"""Create the site's master secret, once.

The secret is not an output of the rule, because Snakemake deletes outputs and makes them again.
"""

import logging

from privessel.files.script import logged
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    secret = Site.from_config(snakemake.config["privacy"]).create_secret()
    logging.getLogger("privessel").info(
        "created the master secret %s. Back it up, with the ledgers that will lie beside it, where only you "
        "can read it: whoever has it can remove the noise from every private model of this site.",
        secret,
    )
