"""The report: one page that needs nothing beside it, hides nothing and can be read, sorted and printed."""

import json
import re
import subprocess
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from tiny_report import CAPTIONS, small_report

from privessel.report.page import lay_out, render, render_caption
from privessel.report.provenance import (
    digest_files,
    find_commit,
    list_trained_with,
    list_versions,
    sum_durations,
)

VOID = {"meta", "link", "img", "input", "br", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, texts by element; every tag must be closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for found, attributes in self.elements if found == tag]

    def said(self):
        return " ".join(" ".join(data for tag, data in self.texts if tag not in ("script", "style")).split())


@pytest.fixture
def made(tmp_path):
    return small_report(tmp_path)


# One file


def test_every_tag_is_closed_and_every_id_is_there_once(made):
    page = Page(render(**made))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in page.all("a") if attributes["href"].startswith("#")]
    assert links
    assert {link[1:] for link in links} <= set(ids)


def test_nothing_is_loaded_from_anywhere(made):
    text = render(**made)
    page = Page(text)
    loaded = [
        attributes[key] for _, attributes in page.elements for key in ("src", "srcset") if key in attributes
    ]
    loaded += [attributes["href"] for attributes in page.all("link")]
    assert loaded
    assert all(address.startswith("data:") for address in loaded)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|<iframe|<object|<embed", text)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    outside = [a["href"] for a in page.all("a") if not a["href"].startswith("#")]
    assert all(address.startswith("https://doi.org/") for address in outside)


def test_same_inputs_give_the_same_text(made):
    assert render(**made) == render(**made)


def test_the_banner_says_that_the_report_stays_inside(made):
    assert "this report must not leave. It shows real patients' scans" in Page(render(**made)).said()
    made["overview"]["public"] = True
    said = Page(render(**made)).said()
    assert "this report must not leave" in said
    assert "simulated" in said


# What it shows


def test_every_figure_has_its_caption_and_says_in_words_what_it_is(made):
    page = Page(render(**made))
    pictures = page.all("img")
    assert len(pictures) == len(page.all("figcaption")) == len(made["figures"])
    assert all(picture["alt"].startswith("Title of") for picture in pictures)
    assert "Segmentation of the study's own test patients" in pictures[1]["alt"]
    assert (pictures[0]["width"], pictures[0]["height"]) == ("120", "80")
    assert "Do not conclude" in page.said()


def test_names_are_text_and_never_markup(made):
    text = render(**made)
    assert "<script>alert" not in text
    assert len(Page(text).all("script")) == 1
    assert text.count("&lt;script&gt;alert") >= 6


def test_a_caption_can_neither_include_a_file_nor_carry_html(tmp_path):
    (tmp_path / "secret.txt").write_text("master secret")
    text = f".. include:: {tmp_path}/secret.txt\n\n.. raw:: html\n\n   <b onclick='x'>\n\n"
    body = render_caption(f"{text}**Bold** <b>plain</b>\n")
    assert "master secret" not in body
    assert "onclick" not in body
    assert "<strong>Bold</strong> &lt;b&gt;plain&lt;/b&gt;" in body


def test_all_captions_of_the_study_are_sound():
    for path in set(CAPTIONS.glob("*.rst")) - {CAPTIONS / "workflow.rst"}:
        body = render_caption(path.read_text())
        assert body.startswith("<p><strong>"), path
        assert "<em>For</em>" in body, path
        assert not re.search(r"problematic|system-message|\*\*|:[a-z]+:`", body), path


def test_numbers_have_four_digits_and_what_is_missing_is_empty():
    frame = pd.DataFrame(
        {
            "text": ["a", None],
            "count": [3, 12],
            "x": [0.123456, np.nan],
            "eps": [np.inf, 6.2512],
            "big": [1e6, 41000.0],
            "gone": [np.nan, np.nan],
            "kept": [True, False],
        }
    )
    table = lay_out(frame)
    assert table["heads"] == ["text", "count", "x", "eps", "big", "kept"]
    assert table["rows"] == [
        ("a", "3", "0.1235", "inf", "1000000", "True"),
        ("", "12", "", "6.251", "41000", "False"),
    ]
    assert table["numeric"] == [2, 3, 4, 5]


def test_patients_keep_their_leading_zeros_and_an_empty_table_says_so(made):
    said = Page(render(**made)).said()
    assert " 007 " in said
    assert "No rows." in said


def test_a_study_without_tables_figures_private_levels_or_durations_is_still_a_page(made, tmp_path):
    pd.DataFrame({"level": ["inf"], "epsilon": [np.nan], "patient_statement": [""]}).assign(
        region_statement="", patch_statement=""
    ).to_csv(tmp_path / "plan.csv", index=False)
    made |= {"figures": [], "tables": []}
    made["provenance"] |= {"durations": sum_durations([], root=tmp_path), "commit": "abc"}
    said = Page(render(**made)).said()
    assert "None were measured" in said
    assert "For a whole patient" not in said


def test_provenance_names_versions_configuration_digests_and_durations(made):
    said = Page(render(**made)).said()
    for text in (
        "privessel 0.1.0",
        "numpy 2.4.6",
        "not a git checkout",
        "study: demo",
        "ab" * 32,
        "gan 3 1:02:03 0:50:00",
    ):
        assert text in said


# Where it comes from


def test_digests_are_sha_256(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"dsc\n0.5\n")
    assert digest_files([path]) == {str(path): sha256(b"dsc\n0.5\n").hexdigest()}


def test_durations_add_up_per_kind_of_step(tmp_path):
    times = {
        "gan/wgan/inf/run-1": (100.5, 900),
        "gan/wgan/inf/run-2": (50.0, 1200),
        "unet/real/a": (0.2, "-"),
    }
    for name, (seconds, memory) in times.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t{memory}\n")
    table = sum_durations(sorted(tmp_path.rglob("*.tsv")), root=tmp_path).set_index("step")
    assert table.loc["gan"].to_dict() == {"jobs": 2, "seconds": 150.5, "longest": 100.5, "memory_mb": 1200}
    assert np.isnan(table.loc["unet", "memory_mb"])


def test_versions_of_what_is_installed_and_of_what_is_not():
    assert list_versions(["numpy", "no-such-package"]) == {
        "numpy": np.__version__,
        "no-such-package": "not installed here",
    }


def test_versions_of_all_gans_are_named(tmp_path):
    for run, torch in enumerate(("2.13.0", "2.14.0", "2.13.0")):
        record = {"versions": {"torch": torch, "opacus": "1.6.0"}}
        (tmp_path / f"{run}.json").write_text(json.dumps(record))
    found = list_trained_with(sorted(tmp_path.iterdir()))
    assert found == {"torch": "2.13.0, 2.14.0", "opacus": "1.6.0"}


def test_commit_is_named_with_local_changes_and_absent_outside_git(tmp_path):
    def git(*arguments):
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *name, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )

    assert find_commit(tmp_path) is None
    git("init", "--quiet")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "a")
    head = git("rev-parse", "HEAD").stdout.strip()
    assert find_commit(tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert find_commit(tmp_path) == f"{head} and local changes"
