"""Figures, tables and what the report says of a study."""

# --- Figures and tables -----------------------------------------------------------------------------------------------

# Those that are drawn from a table by one function; what else they need is in report.smk.
TABLE_OF = {
    "fig3": "scores",
    "fig5": "scores",
    "fig6": "quality",
    "fig8": "quality",
    "table1": "scores",
    "statistics": "scores",
    "gan_comparison": "scores",
    "transfer": "transfer",
    "epochs": "epochs",
}
PICTURES = ["fig2", "fig4", "fig7", "fig9", "figS2"]  # with pixels, so their data are .npz
FIGURES = ["fig2", "fig3", "fig4", "fig5", "fig6"]
FIGURES += ["fig7"] if PRIVATE_PAIRS else []
FIGURES += ["fig8", "fig9", "figS1"]
FIGURES += ["figS2"] if SECOND_COHORT and PRIVATE_PAIRS else []
FIGURES += ["table1", "comparison", "statistics"]
FIGURES += ["gan_comparison"] if COMPARED else []
FIGURES += ["transfer"] if TRANSFER else []
FIGURES += ["epochs"] if EPOCH_STUDY else []


AUDIT_FIGURES = (
    ["utility_privacy", "attacks"] if config["audit"]["levels"] else []
)  # target `audit`, not the study's own


def figure_data(figure):
    """What is drawn: a CSV of numbers, or an npz where pixels are shown. S1 shows figure 9's images."""
    figure = "fig9" if figure == "figS1" else figure
    return f"{RESULTS}/figures/{figure}.{'npz' if figure in PICTURES else 'csv'}"


# --- Report -----------------------------------------------------------------------------------------------------------

TITLES = {
    "table1": "Table 1: scores in one view",
    "comparison": "Published and found",
    "fig3": "Figure 3: segmentation against the privacy level",
    "fig5": "Figure 5: the second cohort",
    "statistics": "Paired tests between levels",
    "fig2": "Figure 2: labelled pairs",
    "fig4": "Figure 4: error maps per level",
    "fig7": "Figure 7: errors of the best private model",
    "figS2": "Figure S2: the levels of lowest eps on the second cohort",
    "fig6": "Figure 6: distance to real images",
    "fig8": "Figure 8: similarity of images",
    "fig9": "Figure 9: t-SNE, points",
    "figS1": "Figure S1: t-SNE, images",
    "epochs": "Which epoch is best",
    "gan_comparison": "Four GANs (2021)",
    "transfer": "Transfer learning (2021)",
}
REPORTED = [figure for figure in TITLES if figure in FIGURES]
TABLES = {
    "Scores of every test patient": f"{RESULTS}/tables/scores.csv",
    "Image quality": f"{RESULTS}/tables/quality.csv",
    "Paired tests, and mean and SD over runs": f"{RESULTS}/figures/statistics.csv",
}
TABLES |= {"Transfer learning, every test patient": f"{RESULTS}/tables/transfer.csv"} if TRANSFER else {}
TABLES |= {"Epoch study": f"{RESULTS}/tables/epochs.csv"} if EPOCH_STUDY else {}


def study_overview():
    """What the study was, in the report's first section."""
    roles = {config["train_cohort"]: "trains, chooses and tests"}
    roles |= {cohort: "tests" for cohort in config["test_cohorts"] if cohort not in roles}
    roles |= {rival: "rival at eps = 0" for rival in config["rivals"]}
    splits = ("train", "validation", "test")
    return {
        "public": all(is_public(cohort) for cohort in roles),
        "scale": "" if config["study"] == "paper" else "A study of its own size, not the paper's.",
        "cohorts": [
            {"name": cohort, "role": role} | {split: len(ids(cohort, split)) for split in splits}
            for cohort, role in roles.items()
        ],
        "facts": {
            "GAN": ", ".join([config["arch"], *config["compared"]]),
            "levels": ", ".join(config["levels"]),
            "runs of a private level": len(runs("noise-1")),
            "privacy unit": config["privacy"]["unit"],
            "patches a patient": config["patches"]["per_patient"],
            "pixels of a patch": f"{config['patches']['size']} x {config['patches']['size']}",
            "synthetic pairs of a generator": config["synthesis"]["pairs"],
            "settings of a U-Net": len(SETTINGS),
        },
    }


def shown_config():
    """The config as used; where the site keeps its secret is nobody's business."""
    return dict(config) | {"privacy": {key: value for key, value in config["privacy"].items() if key != "state"}}
