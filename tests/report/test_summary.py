"""The closing summary: every number that matters, an honest verdict, where the pictures are."""

import numpy as np
import pandas as pd
import pytest

from privessel.report.summary import summary


def rows(source, kind, a, b, *, noise=np.nan, run=np.nan, validation=0.5, empty=0):
    """Return scores of two patients in each of two cohorts, 0.1 apart around the means `a` and `b`."""
    eps, published = (
        (8.3, 13.1) if np.isfinite(noise) else (np.inf, np.inf) if kind == "inf" else (np.nan,) * 2
    )
    return [
        {
            "source": source,
            "kind": kind,
            "level": "",
            "noise_multiplier": noise,
            "run": run,
            "epoch": 5,
            "eps_patient": 500 * eps,
            "eps_region": 20 * eps,
            "eps": eps,
            "eps_published": published,
            "unit": "patch" if np.isfinite(noise) else "",
            "validation_dsc": validation,
            "cohort": cohort,
            "patient": f"{cohort}-{k}",
            "dsc": mean + shift,
            "bahd_voxel": 2.0 + shift,
            "cldice": mean,
            "component_error": 3,
            "empty": empty,
        }
        for cohort, mean in (("phantom-a", a), ("phantom-b", b))
        if mean is not None
        for k, shift in enumerate((-0.05, 0.05))
    ]


def demo(private=(0.4, 0.3), free=((0.68, 0.6), (0.26, 0.2), (0.35, 0.2), (0.3, 0.25)), more=()):
    kinds = {
        "phantom-random": "phantom",
        "phantom-one": "phantom",
        "threshold": "baseline",
        "frangi": "baseline",
    }
    lists = [
        rows("real", "real", 0.8, 0.75),
        rows("wgan/inf/run-1/epoch-5", "inf", 0.5, 0.45, run=1),
        rows("wgan/noise-0.7/run-1/epoch-5", "private", *private, noise=0.7, run=1),
        rows("wgan/noise-0.7/run-1/epoch-5-shuffled", "control", 0.05, 0.04, noise=0.7, run=1),
        *(rows(*source, *means) for source, means in zip(kinds.items(), free, strict=False)),
        *more,
    ]
    return pd.DataFrame([row for part in lists for row in part])


def line_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def said(scores, **more):
    return summary(scores, **({"figures": [], "study": "demo", "public": False} | more))


def test_each_source_has_a_line_with_eps_and_scores_on_both_cohorts():
    text = said(demo())
    private = line_of(text, "wgan/noise-0.7/run-1/epoch-5 ")
    assert private.split()[1:5] == ["4,150", "166", "8.3", "13.1"]
    assert private.split()[5:] == ["0.40", "+-", "0.07", "2.00", "0.30", "+-", "0.07", "2.00"]
    assert line_of(text, "real").split()[1:5] == ["-"] * 4
    assert line_of(text, "wgan/inf").split()[1:5] == ["inf"] * 4
    assert line_of(text, "threshold").split()[1:5] == ["0", "0", "0", "-"]
    assert "wgan/noise-0.7/run-1/epoch-5-shuffled" in text


def test_the_first_words_are_what_a_whole_patient_is_promised_then_a_region_and_a_patch():
    lines = said(demo()).splitlines()
    assert lines[2] == (
        "What wgan/noise-0.7/run-1/epoch-5 promises to a whole patient: eps 4,150, which promises nothing."
    )
    assert lines[3] == "To one region, a place on a vessel: eps 166. To one patch: eps 8.3."
    by_patient = demo().assign(unit=lambda frame: frame["unit"].replace("patch", "patient"), eps_patient=3.0)
    lines = said(by_patient).splitlines()
    assert lines[2].endswith("whole patient: eps 3, a promise to every training patient.")
    assert "region" not in lines[3]
    assert "which covers every region and patch" in said(by_patient)


def test_summary_prints_on_any_terminal_within_its_width():
    text = said(demo())
    assert text.isascii()
    assert max(len(line) for line in text.splitlines()) <= 120
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_verdict_is_no_where_a_free_row_is_ahead_or_level():
    text = said(demo(private=(0.35, 0.7)))
    a, b = line_of(text, "  phantom-a: no"), line_of(text, "  phantom-b: yes")
    assert "0.35 does not beat phantom-random (0.68), threshold (0.35)" in a
    assert "beats phantom-one (0.26), frangi (0.30)" in a
    assert "does not beat" not in b


@pytest.mark.parametrize("kind", ["phantom", "baseline"])
def test_a_source_without_privacy_cost_counts_whatever_its_name(kind):
    free = ((0.4, 0.4), (0.26, 0.2), (0.35, 0.2), (0.3, 0.25))
    text = said(demo(private=(0.5, 0.5), free=free, more=[rows("ixi", kind, 0.71, 0.3)]))
    assert line_of(text, "ixi").split()[1:6] == ["0", "0", "0", "-", "0.71"]
    assert "0.50 does not beat ixi (0.71); beats phantom-random (0.40)" in line_of(text, "  phantom-a: no")
    assert "ixi (0.30)" in line_of(text, "  phantom-b: yes; 0.50 beats")


def test_verdict_is_no_unqualified_yes_while_a_source_or_a_whole_kind_of_them_was_not_computed():
    text = said(demo(private=(0.9, 0.9), free=((0.68, 0.6), (0.26, None))))
    a, b = (line_of(text, f"  {cohort}: yes, as far as computed") for cohort in ("phantom-a", "phantom-b"))
    assert "not computed: any baseline" in a
    assert "not computed: phantom-one, any baseline" in b
    bare = demo(private=(0.9, 0.9))
    text = said(bare[bare["kind"] != "phantom"])
    assert "not computed: any public cohort" in line_of(text, "  phantom-a: yes, as far as computed")
    assert "not computed" not in line_of(said(bare), "  phantom-a: yes;")


def test_verdict_cannot_be_said_without_a_private_result_or_without_rivals():
    scores = demo()
    assert "cannot be said: there is no private model" in said(scores[scores["kind"] != "private"])
    lost = scores.copy()
    lost.loc[(lost["kind"] == "private") & (lost["cohort"] == "phantom-b"), "dsc"] = np.nan
    assert "phantom-b: it cannot be said, the private model has no result" in said(lost)
    assert "missing" in line_of(said(lost), "wgan/noise-0.7/run-1/epoch-5 ")
    assert "phantom-a: it cannot be said" in said(demo(free=()))


def test_verdict_is_about_the_run_chosen_by_validation_not_the_luckiest_on_test_patients():
    lucky = rows("wgan/noise-0.7/run-2/epoch-5", "private", 0.9, 0.9, noise=0.7, run=2, validation=0.1)
    text = said(demo(more=[lucky]))
    assert "wgan/noise-0.7/run-1/epoch-5, best of 2 runs" in text
    assert "run-2" not in text
    assert "phantom-a: no" in text


@pytest.mark.parametrize(("private", "word"), [((0.4, 0.3), "is above"), ((0.05, 0.01), "is not above")])
def test_private_model_is_held_against_its_control(private, word):
    text = said(demo(private=private))
    assert f"phantom-a: it {word} its control with shuffled labels (0.05)" in text
    assert f"phantom-b: it {word} its control with shuffled labels (0.04)" in text


def test_empty_predictions_and_missing_rows_are_said():
    blind = rows("wgan/noise-2/run-1/epoch-5", "private", 0.0, 0.0, noise=2.0, run=1, validation=0.0, empty=1)
    text = said(demo(more=[blind]))
    assert "phantom-a: no vessel found in any patient by wgan/noise-2/run-1/epoch-5." in text
    assert "Not in this table: any baseline." in said(demo(free=((0.68, 0.6), (0.26, 0.2))))


def test_one_cohort_and_one_patient_are_enough():
    scores = demo()
    scores = scores[scores["patient"] == "phantom-a-0"]
    text = said(scores)
    assert "phantom-b" not in text
    assert "+-" not in line_of(text, "real")
    assert "one patient, so there is no SD" in text


def test_only_a_scaled_down_study_says_so():
    assert "This is 'demo' scale" in said(demo())
    assert "scale" not in said(demo(), study="paper")


def test_pictures_are_listed_and_missing_ones_marked(tmp_path):
    drawn, lost = tmp_path / "fig2.png", tmp_path / "fig3.png"
    drawn.write_bytes(b"x")
    lines = said(demo(), figures=[drawn, lost]).splitlines()
    assert f"  {drawn}" in lines
    assert f"  {lost} (missing)" in lines
    assert "No figures were drawn." in said(demo())


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_the_summary_says_whom_the_eps_protects(unit):
    scores = demo()
    scores["unit"] = scores["unit"].replace("patch", unit)
    assert {"patch": "and of a patch;", "patient": "which covers every region and patch;"}[unit] in said(
        scores
    )


# --- What protects patients


def vote(a=0.76, b=0.7):
    return [
        row | {"level": "eps-1", "eps_patient": 1.0, "eps_region": 2.0, "eps": 2.0, "unit": "patient"}
        for row in rows("vote/eps-1/run-1", "vote", a, b, run=1)
    ]


EXPECTED = pd.DataFrame(
    [("vote/eps-1/run-1", 16, 10, 0.7512, 0.7081, 0.3, 0.79)],
    columns=["source", "candidates", "patients", "expected_dsc", "low_dsc", "least_dsc", "best_dsc"],
)


def test_it_says_first_what_protects_a_whole_patient_and_what_that_is_worth():
    text = said(demo(more=[vote()]), expectations=EXPECTED)
    _, _, told = text.partition("What protects patients, and what is it worth?")
    first, _, rest = told.partition("Does what protects anything beat")
    assert "vote/eps-1/run-1 protects every training patient: eps 1 of a whole patient." in first
    assert "phantom-a: DSC 0.76, 95% of real patches (0.80)." in first
    assert "wgan/noise-0.7/run-1/epoch-5 protects no whole patient: eps 4,150 of a whole patient." in first
    assert "By mean DSC, for vote/eps-1/run-1:" in rest
    assert text.splitlines()[2].startswith("What vote/eps-1/run-1 promises to a whole patient: eps 1,")
    line = next(line for line in text.splitlines() if line.startswith("vote/eps-1"))
    assert line.split()[1:5] == ["1", "2", "2", "-"]


def test_what_a_vote_is_worth_over_all_draws_is_marked_as_for_inside_only():
    text = said(demo(more=[vote()]), expectations=EXPECTED)
    where = text.index("Inside only")
    assert where < text.index("0.751 on average") < text.index("0.708 or less in 5 % of the draws")
    assert "Inside only" not in said(demo(more=[vote()]))


@pytest.mark.parametrize(("dsc", "answer"), [(0.5, "no; 0.50 does not beat"), (0.76, "yes; 0.76 beats")])
def test_a_vote_is_compared_with_what_costs_nothing_too(dsc, answer):
    scores = demo(more=[vote(dsc, dsc)])
    _, _, told = said(scores).partition("By mean DSC, for vote/eps-1/run-1:")
    assert answer in told.splitlines()[1]
    alone = scores.query("kind != 'private' and kind != 'control'")
    _, _, told = said(alone).partition("By mean DSC, for vote/eps-1/run-1:")
    assert answer in told.splitlines()[1]


def test_where_nothing_protects_it_says_so():
    text = said(demo().query("kind != 'private' and kind != 'control'"))
    assert "Nothing here was made from patients with any protection." in text


@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_on_a_public_cohort_every_promise_is_called_one_in_name_only(unit):
    scores = demo(more=[vote()])
    if unit == "patient":
        private = scores["kind"].isin(["private", "control"])
        scores.loc[private, ["unit", "eps_patient"]] = ["patient", 3.0]
    told = said(scores, public=True)
    assert "protects every training patient" not in told
    assert "a promise to every" not in told
    line_of(told, "  vote/eps-1/run-1: eps 1 of a whole patient, in name only: published seed.")
    line_of(told, "In name only: the training scans are public")
    vote_line, first, then = told.splitlines()[2:5]
    assert vote_line.endswith("to a whole patient: eps 1, in name only: published seed.")
    if unit == "patient":
        assert first.endswith("to a whole patient: eps 3, in name only: published seed.")
        line_of(told, "  wgan/noise-0.7/run-1/epoch-5: eps 3 of a whole patient, in name only")
    else:
        line_of(told, "  wgan/noise-0.7/run-1/epoch-5 protects no whole patient: eps 4,150")
        assert then.endswith("To one patch: eps 8.3, in name only: published seed.")
    assert max(len(line) for line in told.splitlines()) <= 120
    assert "in name only" not in said(scores).lower()
    assert "in name only" not in said(demo().query("kind == 'real'"), public=True).lower()
