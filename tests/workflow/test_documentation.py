"""What README and docs/ tell a user to write is legal, and what they tell him to type can be typed."""

import re
import shlex

import pytest
import yaml
from conftest import ROOT
from study.studies import merge, values

from privessel.study.config.reading import read_config

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PATIENTS = {"train": 41, "validation": 11, "test": 14}  # as many as the paper has
# Needs what a test machine may lack (conda, a container), a study that has been run or is locked, or a config
# that says what is to be released.
NOT_HERE = ("--sdm", "--allowed-rules", "--unlock", "mine.yaml --cores 1 release")


def blocks(page):
    """Language and text of every fenced block of a page."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


CONFIGS = [(page, text) for page in PAGES for language, text in blocks(page) if language == "yaml"]
LINES = [
    line for page in PAGES for language, text in blocks(page) if not language for line in text.splitlines()
]
LINES += [
    line.replace("\n", " ") for page in PAGES for line in re.findall("`(snakemake -[^`]+)`", page.read_text())
]
TYPED = {line.partition("#")[0].strip() for line in LINES if line.startswith("snakemake ")}
COMMANDS = sorted({re.sub(" -n(?= |$)", "", line) for line in TYPED})  # all are dry runs below


def whole(text):
    return "study" in yaml.safe_load(text)


def write_cohort(root, layout, splits):
    """A cohort whose files are there, and hold nothing: a dry run opens none of them."""
    rows = ["participant_id\tsplit"]
    for split, count in splits.items():
        for number in range(count):
            name = f"{root.name[:2]}{split[:2]}{number}"
            rows.append(f"sub-{name}\t{split}")
            for role in ("image", "vessels", "brain"):
                path = root / layout[role].format(patient=name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"content")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")


def write_heads(root, deid):
    """A cohort of six heads, whose files hold nothing."""
    people = [f"p{number}" for number in range(6)]
    for person in people:
        for session in deid["sessions"]:
            for template in (deid["image"], deid["brain"]):
                path = root / template.format(patient=person, session=session)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"content")
    (root / "participants.tsv").write_text("\n".join(["participant_id", *people]) + "\n")


def adapt(text, folder):
    """The config of a page with its folders below `folder`, where cohorts are then made."""
    config = yaml.safe_load(text)
    common = values("config.yaml")["layout"]
    if "deid" in config:
        config["deid"]["heads"]["root"] = str(folder / "heads")
        write_heads(folder / "heads", merge(values("config.yaml")["deid"], config["deid"]))
    for name, cohort in config.get("cohorts", {}).items():
        cohort["root"] = str(folder / name)
        write_cohort(folder / name, common | cohort, PATIENTS)
    config["privacy"]["state"] = str(folder / "state")
    return config


@pytest.mark.parametrize(("page", "text"), CONFIGS, ids=lambda part: getattr(part, "name", ""))
def test_every_config_of_the_pages_is_legal(page, text):
    shown = yaml.safe_load(text)
    whole_one = next(yaml.safe_load(text) for page, text in CONFIGS if whole(text))
    read_config(merge(values("config.yaml"), shown if whole(text) else merge(whole_one, shown)))


def test_pages_have_commands_and_whole_configs():
    assert len(COMMANDS) > 12
    assert {page.name for page, text in CONFIGS if whole(text)} >= {"README.md", "cohort.md", "deid.md"}


@pytest.mark.parametrize(
    ("page", "text"),
    [pair for pair in CONFIGS if whole(pair[1])],
    ids=lambda part: getattr(part, "name", ""),
)
def test_a_first_dry_run_of_each_whole_config_lists_the_jobs_and_says_what_private_levels_need(
    workflow, tmp_path, page, text
):
    config = adapt(text, tmp_path / "site")
    (workflow.folder / "mine.yaml").write_text(yaml.safe_dump(config))
    target = ["deid_release"] if "deid" in config else []
    told = workflow.run("--configfile", "mine.yaml", "-n", "-q", "rules", "--", *target)
    assert told.returncode == 0, told.stdout[-3000:]
    assert "dry-run" in told.stdout
    assert told.stdout.count("no master secret") == 1
    assert "target `secret`" in told.stdout


@pytest.mark.parametrize("command", [line for line in COMMANDS if not any(part in line for part in NOT_HERE)])
def test_every_command_of_the_pages_can_be_typed(workflow, tmp_path, command):
    for file, name in (("mine.yaml", "README.md"), ("heads.yaml", "deid.md")):
        text = next(text for page, text in CONFIGS if whole(text) and page.name == name)
        (workflow.folder / file).write_text(yaml.safe_dump(adapt(text, tmp_path / file)))
    told = workflow.run(*shlex.split(command)[1:], "-n", "-q", "all")
    assert told.returncode == 0, told.stdout[-3000:]


def test_what_the_page_on_votes_says_of_the_demo_is_what_the_table_of_the_readme_says():
    readme, page = ((ROOT / name).read_text() for name in ("README.md", "docs/vote.md"))
    row = r"^{}  .*?(\d\.\d\d) \+- "
    shown = {
        name: re.search(row.format(re.escape(name)), readme, re.MULTILINE)[1]
        for name in ("real", "phantom-random", "frangi", "vote/eps-1/run-1")
    }
    mean, low, least, best = (
        f"{float(re.search(pattern, readme)[1]):.2f}"
        for pattern in (
            r"DSC (\S+) on average",
            r"and (\S+) or less in 5 %",
            r"worst candidate (\S+),",
            r"best (\S+)\)",
        )
    )
    told = " ".join(page.partition("The demo (")[2].split("##")[0].split())
    assert f"{mean} expected, {low} at the 5 % quantile, {least} to {best} for single candidates" in told
    assert f"and {shown['vote/eps-1/run-1']} in its row, where real patches have {shown['real']}," in told
    assert f"phantom-random {shown['phantom-random']}," in told
    assert f"tuned on the validation patients, {shown['frangi']}." in told
