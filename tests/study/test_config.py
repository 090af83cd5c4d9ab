"""The typed config: what ships is legal; what is not names key, value, what is allowed and the remedy."""

import json
import re
from copy import deepcopy

import jsonschema
import pytest
import yaml
from study.studies import PAPER, ROOT, TINY, values

from privessel.errors import ConfigError
from privessel.study.config.fields import resolve_delta
from privessel.study.config.reading import RENAMED, read_config
from privessel.study.documents import write_configuration, write_schema

SHIPPED = [
    PAPER,
    TINY,
    ("config.yaml", "profiles/demo/study.yaml"),
    ("config.yaml", "profiles/demo/study.yaml", "profiles/study-small/study.yaml"),
]
SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())


def complaint(*files, **changes):
    with pytest.raises(ConfigError) as refused:
        read_config(values(*(files or TINY), **changes))
    return str(refused.value)


@pytest.mark.parametrize("files", SHIPPED, ids=lambda files: files[-1])
def test_what_ships_is_legal_for_the_model_and_for_the_schema(files):
    merged = values(*files)
    read_config(merged)
    jsonschema.validate(merged, SCHEMA)


def test_schema_and_documentation_are_made_from_the_model():
    assert write_schema() == (ROOT / "schemas/config.schema.yaml").read_text()
    written = write_configuration(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert written == (ROOT / "docs/configuration.md").read_text()


def test_every_key_is_described_in_a_sentence():
    def described(part):
        for key, inner in part.get("properties", {}).items():
            yield key, inner
        for inner in part.get("$defs", {}).values():
            yield from described(inner)

    for key, inner in described(SCHEMA):
        if "$ref" in inner:  # a section, which says itself what it is
            continue
        assert re.fullmatch(r"[A-Z\"`a].*[.\w\")]", inner.get("description", "")), key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gna": {}}, ["gna", "write gan"]),
        ({"gan": {"batchsize": 32}}, ["gan.batchsize", "write gan.batch"]),
        ({"gan": {"private": {"critic_stepz": 2}}}, ["gan.private.critic_stepz", "gan.private.critic_steps"]),
        ({"cohorts": {"phantom-a": {"pubic": True}}}, ["cohorts.phantom-a.pubic", "phantom-a.public"]),
        ({"levels": ["inf", "noise-1", "noise-1"]}, ["levels", "noise-1 is listed more than once"]),
        ({"levels": ["noise-1.50"]}, ["levels[0]", "noise-1.50", "trailing zeros"]),
        ({"gan": {"generator_learning_rate": "fast"}}, ["generator_learning_rate", '"fast"', "number"]),
        ({"gan": {"generator_learning_rate": -1e-5}}, ["generator_learning_rate", "-1e-05", "above 0"]),
        ({"gan": {"clipping_norm": float("inf")}}, ["gan.clipping_norm", "finite"]),
        ({"gan": {"batch": [32]}}, ["gan.batch", "[32]", "whole number"]),
        ({"gan": {"adam_betas": 0.9}}, ["gan.adam_betas", "0.9", "a list"]),
        ({"gan": []}, ["gan is []", "a section"]),
        ({"gan": {"private": {"batch": {"size": 3}}}}, ["gan.private.batch", "whole number"]),
        ({"gan": {"loss": "wassserstein"}}, ["gan.loss", "write wasserstein"]),
        ({"levels": "inf"}, ["levels", "a list", "[inf]"]),
        ({"levels": []}, ["levels", "at least 1"]),
        ({"study": 1}, ["study is 1", "quotes"]),
        ({"study": "a/b"}, ["study", "letters, digits"]),
        ({"study": None}, ["study is null", "a text"]),
        ({"seed": -1}, ["seed is -1", "at least 0"]),
        ({"train_cohort": "phantom-aa"}, ["phantom-aa", "which has phantom-a"]),
        ({"cohorts": {"PEGASUS": {"root": "here", "public": True}}}, ["PEGASUS", "lower-case", "rename"]),
        ({"cohorts": {"own": {"root": "here"}}}, ["cohorts.own.public is missing", "nobody's scans"]),
        ({"cohorts": {"own": "here"}}, ["cohorts.own", "a section"]),
        ({"cohorts": {"phantom-a": {"phantom": {"shape": [9, 9]}}}}, ["phantom-a.phantom.shape"]),
        ({"privacy": {"budget": 5}}, ["privacy.budget is 5", "a section"]),
        ({"privacy": {"budget": {"eps": 5}}}, ["privacy.budget.eps", "epsilon"]),
        ({"export": "wgan/noise-1/run-1/epoch-2"}, ["export", "a list"]),
        ({"unet": {"grid": {"dropout": 0.1}}}, ["unet.grid.dropout", "[0.1]"]),
        ({"unet": {"device": "gpu"}}, ["unet.device", "cuda"]),
        ({"gan": {"batch": "many"}}, ["gan.batch", '"many"', "number"]),
        ({"gan": {"batch": 3.5}}, ["gan.batch", "3.5", "whole number"]),
        ({"gan": {"batch": 0}}, ["gan.batch", "at least 1"]),
        ({"gan": {"ema": 1}}, ["gan.ema", "below 1"]),
        ({"gan": {"spectral_norm": "yes"}}, ["gan.spectral_norm", "true or false"]),
        ({"test_cohorts": ["phantom-a", "1000plus"]}, ["test_cohorts[1]", "1000plus", "with a letter"]),
        ({"test_cohorts": ["phantom-a", "elsewhere"]}, ["elsewhere", "not described", "cohorts"]),
        ({"patches": {"size": 50}}, ["patches.size", "50", "96"]),
        ({"patches": {"per_patient": 41}}, ["patches.per_patient", "41", "multiple of 2"]),
        ({"arch": "dcgan"}, ["dcgan", "batch norm", "no sample has a gradient of its own"]),
        ({"arch": "wgan-gp"}, ["wgan-gp", "gradient_penalty"]),
        ({"arch": "wgan-gp-sn"}, ["wgan-gp-sn", "spectral_norm"]),
        ({"gan": {"private": {"critic_norm": "batch"}}}, ["batch norm"]),
        ({"gan": {"weight_clip": 0.0}}, ["nothing bounds the critic"]),
        ({"gan": {"architectures": {"dcgan": {"kept_epochs": [3]}}}}, ["dcgan.kept_epochs"]),
        ({"gan": {"kept_epochs": [3]}}, ["gan.kept_epochs has 3", "trains 2 epochs"]),
        ({"compared_architectures": ["biggan"]}, ["compared_architectures[0]", "biggan", "dcgan"]),
        ({"shuffled": ["noise-3"]}, ["shuffled has noise-3", "not in levels"]),
        ({"cohorts": {"frangi": {"root": "here", "public": True}}}, ["cohorts has frangi", "choose another"]),
        ({"public_baselines": ["phantom-a"]}, ["public_baselines", "the study itself"]),
        ({"cohorts": {"phantom-one": {"public": False}}}, ["phantom-one", "public: true"]),
        ({"cohorts": {"phantom-one": {"root": "here"}}}, ["cohorts.phantom-one", "either `root`"]),
        ({"prediction": {"stride": 25}}, ["prediction.stride 25", "gaps"]),
        ({"unet": {"filters": [2, 4, 8, 16, 32]}}, ["patches.size 24", "halved 4 times"]),
        ({"epoch_study": {"epochs": [7]}}, ["epoch_study.epochs has 7"]),
        ({"privacy": {"delta": "1/(10 unit)"}}, ["privacy.delta", "1/(10 units)"]),
        ({"privacy": {"delta": 1.0}}, ["privacy.delta", "below 1"]),
        ({"privacy": {"delta": "1.2.3e-5"}}, ["privacy.delta", "1.2.3e-5", "1/(10 units)"]),
        ({"privacy": {"delta": "-1e-5"}}, ["privacy.delta", "1/(10 units)"]),
        ({"runs": 0}, ["runs", "at least 1", "correct this key"]),
        ({"release": {"override": "because"}}, ["release.override", "20 characters"]),
        ({"layout": {"image": "scan.nii.gz"}}, ["layout.image", "{patient}"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_value_what_is_allowed_and_the_remedy(changes, words):
    said = complaint(**changes)
    for word in (*words, "config: ", "Remedy: "):
        assert word in said
    assert len(said) < 1000  # no dump of a schema


@pytest.mark.parametrize(
    ("written", "number"),
    [("1e-5", 1e-5), ("1E-5", 1e-5), ("2e+0", 2.0), (".5", 0.5), ("0.25", 0.25), ("3", 3.0)],
)
def test_a_text_that_is_a_number_is_one_where_a_number_is_asked_for(written, number):
    assert read_config(values(*TINY, gan={"clipping_norm": written})).gan.clipping_norm == number


def test_values_inside_of_braces_on_the_command_line_which_come_as_text_are_read():
    texts = {"patches": {"size": "24"}, "gan": {"spectral_norm": "False"}, "runs": ["1", "2"]}
    config = read_config(values(*TINY, **texts, privacy={"delta": "1e-4", "patient_delta": "1e-6"}))
    assert config.patches.size == 24
    assert config.gan.spectral_norm is False
    assert config.runs == (1, 2)
    assert (config.privacy.delta, config.privacy.patient_delta) == (1e-4, 1e-6)


def test_a_text_stays_text_where_one_is_asked_for():
    assert read_config(values(*TINY, study="1e5")).study == "1e5"
    dated = yaml.safe_load("study: 2026-01-31")
    assert read_config(values(*TINY, **dated)).study == "2026-01-31"


@pytest.mark.parametrize("text", ["2026-01-31: a", "1: a", "true: a", "~: a", "1.5: a"])
def test_a_key_that_is_no_text_is_unknown_like_any_other(text):
    with pytest.raises(ConfigError, match="is no key of this workflow"):
        read_config(values(*TINY) | yaml.safe_load(text))


def test_the_home_folder_may_be_written_with_a_tilde_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    cohort = {"root": "~/scans", "public": True, "image": "~/elsewhere/{patient}.nii"}
    config = read_config(
        values(
            *TINY,
            cohorts={"own": cohort},
            privacy={"state": "~/state", "anchor": "~/anchor"},
            quality={"inception_weights": "~/weights.pth"},
        )
    )
    own, privacy = config.cohorts["own"], config.privacy
    shown = (own.root, own.image, privacy.state, privacy.anchor, config.quality.inception_weights)
    assert all(path.startswith("/home/somebody/") for path in shown)


def leaves(section, place=()):
    for key, value in section.items():
        yield (*place, key)
        if isinstance(value, dict):
            yield from leaves(value, (*place, key))


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [None, "???", [], ["???"], {}, {"x": 1}, -1, 1e400, True, "a: b"], ids=repr)
def test_any_value_in_any_place_is_read_or_refused_in_short_lines_that_name_the_place(wrong):
    shipped = values(*TINY)
    refusals = 0
    for *outer, key in leaves(shipped):
        changed = deepcopy(shipped)
        place = changed
        for step in outer:
            place = place[step]
        place[key] = wrong
        try:
            read_config(changed)
        except ConfigError as refused:
            refusals += 1
            lines = str(refused).splitlines()
            assert all(len(line) < 700 and "Remedy: " in line for line in lines), lines
            named = (".".join([*outer, key]), key, *outer[-1:])
            assert any(name in line for name in named for line in lines), lines
    assert refusals > 100


def test_a_missing_key_and_an_empty_section_are_named():
    merged = values(*TINY)
    del merged["gan"]["batch"]
    merged["unet"] = None
    with pytest.raises(ConfigError) as refused:
        read_config(merged)
    assert "gan.batch is missing" in str(refused.value)
    assert "unet is null" in str(refused.value)


def test_all_faults_are_told_at_once_one_a_line():
    said = complaint(gna={}, patches={"size": 50}, runs=0)
    assert sorted(line.split()[1] for line in said.splitlines()) == ["gna", "patches.size", "runs"]


@pytest.mark.parametrize("path", RENAMED, ids=".".join)
def test_a_key_of_an_older_version_gets_an_error_that_names_the_new_one_and_nothing_else(path):
    merged = values(*TINY)
    place = merged
    *outer, old = ["dcgan" if step == "*" else step for step in path]
    for step in outer:
        place = place[step]
    place[old] = place.pop(RENAMED[path], "per-sample")
    with pytest.raises(ConfigError) as refused:
        read_config(merged)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(
        f"config: {'.'.join([*outer, old])} is called {'.'.join([*outer, RENAMED[path]])} now"
    )


def test_architectures_win_over_common_keys_and_private_keys_over_both():
    config = read_config(
        values(
            *PAPER,
            gan={
                "latent": 7,
                "private": {"latent": 9, "critic_steps": 3},
                "architectures": {"wgan": {"latent": 8}},
            },
        )
    )
    assert config.gan_keys("inf", "dcgan")["latent"] == 7
    assert config.gan_keys("inf")["latent"] == 8
    assert config.gan_keys("noise-1")["latent"] == 9
    assert config.gan_keys("noise-1")["critic_steps"] == 3
    assert config.gan_keys("inf")["critic_steps"] == 5
    json.dumps(config.gan_keys("noise-1"))  # plain data, for params


@pytest.mark.parametrize(
    ("text", "number"), [("1e-5", 1e-5), ("1.e-5", 1e-5), ("+1E-05", 1e-5), (".001", 1e-3)]
)
def test_a_delta_that_comes_as_text_is_the_number_that_it_would_be_elsewhere(text, number):
    assert read_config(values(*PAPER, privacy={"delta": text})).privacy.delta == number
    assert (
        read_config(
            values(*PAPER, privacy={"budget": {"epsilon": text, "delta": 1e-6}})
        ).privacy.budget.epsilon
        == number
    )


@pytest.mark.parametrize(
    ("delta", "number"), [(1e-5, 1e-5), ("1/units", 1 / 41000), ("1/(10 units)", 1 / 410000)]
)
def test_a_delta_may_be_a_share_of_the_units(delta, number):
    assert resolve_delta(delta, units=41000) == number
    assert read_config(values(*PAPER, privacy={"delta": delta})).privacy.delta == delta
