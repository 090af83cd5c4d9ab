"""The page of the target `intake`: who cannot be used is seen first, and no network is asked for anything."""

import re

import pytest
from volumes import check_patient, draw, write_patient

from privessel.cohort.picture import save_picture
from privessel.report.intake import render_intake, summarise_intake


@pytest.fixture
def checked(tmp_path):
    """Outcomes and pictures of three patients: one without a remark, one with a warning, one that fails."""
    outcomes, pictures = [], []
    for name in ("fine", "odd", "bad"):
        patient = write_patient(tmp_path / name, name=name)
        if name == "bad":
            patient.vessels.write_bytes(b"")
        outcome = check_patient(patient)
        outcome["warnings"] = (
            [f"patient odd (cohort pegasus): <b>look</b> at {name}"] if name == "odd" else []
        )
        outcomes.append(outcome)
        pictures.append(tmp_path / f"{name}.png")
        save_picture(pictures[-1], draw(patient))
    return outcomes, pictures


def page(outcomes, pictures, **changes):
    asked = {"study": "mine", "public": False, "notices": ["three patients are few"]} | changes
    return render_intake(outcomes=outcomes, pictures=pictures, **asked)


def rows(text):
    return re.findall(r'<tr class="(\w+)">(.*?)</tr>', text, re.DOTALL)


def test_one_row_a_patient_with_those_that_fail_first_and_their_remedy(checked):
    found = rows(page(*checked))
    assert [state for state, _ in found] == ["failed", "warned", "fine"]
    failed, warned, fine = (row for _, row in found)
    assert "<b>bad</b>" in failed
    assert "Remedy: export or copy the file again" in failed
    assert "patient bad (cohort" not in failed  # the row says who it is
    assert "40 × 44 × 16" in fine
    assert "0.5 × 0.5 × 0.7 mm" in fine
    assert "RAS" in fine
    assert re.search(r"\d\.\d\d% of the brain", fine)
    assert "&lt;b&gt;look&lt;/b&gt; at odd" in warned
    assert all(row.count("data:image/png;base64,iVBOR") == 1 for row in (failed, warned, fine))


def test_the_page_is_whole_in_itself_and_says_that_it_must_not_leave(checked):
    text = page(*checked)
    assert "this page must not leave" in text
    assert "real patients" in text
    assert "real patients" not in page(*checked, public=True)
    assert "three patients are few" in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    assert text == page(*checked)


def test_the_closing_words_count_patients(checked):
    assert summarise_intake(checked[0]) == "3 patients checked: 2 can be used, 1 with warnings"
