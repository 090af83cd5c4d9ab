"""What a release is made from, and what it costs to make."""


def release_paths():
    """The set to release, its run and its generator; what can be refused before any job is."""
    pairs = config["release"]["pairs"]
    if not pairs:
        raise WorkflowError(
            "config: release.pairs is not set, so there is nothing to release. Remedy: name one set of a private level, such "
            f"as {(PRIVATE_PAIRS or ['wgan/noise-1/run-1/epoch-50'])[-1]}."
        )
    if pairs not in [*PAIRS, *EPOCH_STUDY]:
        raise WorkflowError(f"config: release.pairs {pairs} is not in this study. Remedy: name one of its sets.")
    if not is_private(gan_record(pairs)["level"]):
        raise WorkflowError(
            f"config: release.pairs {pairs} was made without noise: nothing protects the patients behind it, and no reason "
            "can outweigh that. Remedy: name a set of a private level, such as noise-1 or eps-5."
        )
    if not config["release"]["description"].strip() or not config["release"]["creators"]:
        raise WorkflowError(
            "config: a release needs release.description, which is all that it says about the cohort, and release.creators. "
            "Remedy: write down what may be said, and who stands for it."
        )
    gan, _, epoch = pairs.rpartition("/")
    run = f"{RESULTS}/gan/{gan}"
    files = {
        "pairs": f"{RESULTS}/synthetic/{pairs}.npz",
        "privacy": f"{run}/privacy.json",
        "history": f"{run}/history.csv",
    }
    # A run's charges on its patients count all together, so each of them makes the bundle anew.
    files |= {} if is_public(config["train_cohort"]) else {"ledgers": ledger_files(None)}
    return files | ({"generator": f"{run}/generator-{epoch}.pt"} if config["release"]["weights"] else {})


def release_steps():
    """Critic steps of the whole run."""
    training = gan_training("noise-1")
    return training["epochs"] * training["steps_per_epoch"] * training["critic_steps"]


def release_cost():
    """MB and minutes: all pairs as bytes and as floats; every one beside every patch of a patient."""
    pairs, pixels = config["synthesis"]["pairs"], config["patches"]["size"] ** 2
    patches_compared = config["patches"]["per_patient"] * len(ids(config["train_cohort"], "train"))
    seconds = 2 * pairs * patches_compared * pixels / 1e12 / (THREAD_TERA * config["quality"]["threads"])
    return 1500 + 24 * pairs * pixels / 1e6, int(60 + (seconds + pairs * 0.02) / 60)
