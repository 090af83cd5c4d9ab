"""Create the site's master secret and its signing key, each once.

They are no outputs of the rule, because Snakemake deletes outputs and makes them again.
"""

import logging

from privessel.files.script import logged
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    site, log = Site.from_config(snakemake.config["privacy"]), logging.getLogger("privessel")
    created = site.create_secrets()
    log.info(
        "created %s in %s. Back them up, with the ledgers and the register that will lie beside them, where "
        "only you can read them: with the master secret one can remove the noise of a training that is not "
        "over, and with the signing key publish in your name. Never back up *.nonce: they are destroyed when "
        "a training has ended, so that nobody can remove the noise from its model afterwards "
        "(docs/privacy.md).",
        " and ".join(created),
        site.state,
    )
    log.info(
        "the fingerprint of the site's public key is %s: publish it where recipients will find it",
        site.signer().fingerprint,
    )
