"""Create the site's master secret, once.

The secret is not an output of the rule, because Snakemake deletes outputs and makes them again.
"""

import logging

from privessel.files.script import logged
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    secret = Site.from_config(snakemake.config["privacy"]).create_secret()
    logging.getLogger("privessel").info(
        "created the master secret %s. Back it up, with the ledgers and the register that will lie beside "
        "it, where only you can read it. Never back up *.nonce: they are destroyed when a training has "
        "ended, so that nobody can remove the noise from its model afterwards (docs/privacy.md).",
        secret,
    )
