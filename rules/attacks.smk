"""Which runs are audited, and how far; what can be refused before any job is."""


def audited_epoch(level):
    """The epoch whose generator is attacked: the last, because all steps are watched, and all are claimed for."""
    return gan_training(level)["epochs"]


def audit_faults():
    """Why this audit would show nothing, or something else than is meant."""
    audit, units = config["audit"], privacy_units()
    faults = []
    if not config["rivals"]:
        faults.append("rivals has no cohort, and canaries are made of a public cohort's patches")
    elif len(canary_files()) * config["patches"]["per_patient"] < audit["canaries"]:
        faults.append(f"canaries {audit['canaries']} are more than {config['rivals'][-1]} has patches")
    if not 1 <= audit["guesses_in"] + audit["guesses_out"] <= audit["canaries"]:
        faults.append("guesses_in and guesses_out must be, together, at least 1 and at most canaries")
    if 4 * audit["canaries"] > units:
        faults.append(
            f"canaries {audit['canaries']} is more than a quarter of the {units} that a private step samples from "
            f"({config['privacy']['unit']}), which would make another run of it"
        )
    if audit["patches"] > config["patches"]["per_patient"]:
        faults.append(f"patches {audit['patches']} is more than patches.per_patient")
    if audit["neighbours"] > min(audit["synthetic"], audit["patches"]):
        faults.append("neighbours is more than synthetic or patches")
    return faults


def canary_files():
    """Patches of a public cohort, enough to make the canaries of."""
    return patches(config["rivals"][-1])[: 1 + config["audit"]["canaries"] // config["patches"]["per_patient"]]


def audits():
    """The folders of the audited runs."""
    levels = [level for level in config["audit"]["levels"] if level in config["levels"]]
    if not levels:
        raise WorkflowError(
            f"config: none of this study's levels is in audit.levels. Remedy: name some of {', '.join(config['levels'])}."
        )
    if faults := audit_faults():
        raise WorkflowError(f"config: audit: {'; '.join(faults)}. Remedy: correct these keys.")
    return [f"{RESULTS}/audit/{config['arch']}/{level}/run-{config['audit']['run']}" for level in levels]


def audit_files(name):
    """A file of every audited run."""
    return lambda wildcards: [f"{run}/{name}" for run in audits()]
