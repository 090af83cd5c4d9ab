"""Figures of image quality, embeddings, architectures, transfer learning and epochs, on hand-made tables."""

import functools
import io
import itertools
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from figures.test_figures import as_read_back, free_rows, overlaps, rows, study, texts
from matplotlib.colors import to_rgba

from privessel.figures.embedding import fig9, figS1, thin_out
from privessel.figures.epochs import epochs, epochs_data
from privessel.figures.gans import gan_comparison, gan_comparison_data
from privessel.figures.marks import assign_looks
from privessel.figures.quality import fig6, fig6_data, fig8, fig8_data
from privessel.figures.style import PALETTE, style
from privessel.figures.transfer import transfer, transfer_data, transfer_table
from privessel.scores.choice import add_scores, choose_lowest, choose_references
from privessel.scores.tally import FREE

EPS = {2.0: (0.82, 1.31), 1.0: (2.4, 3.9), 0.65: (6.24, 10.18)}
LITE0 = "Frechet distance (EfficientNet-Lite0)"


def identity(source, kind, noise=None, run=np.nan):
    """Return who a source is: a GAN's has a run, and a noise multiplier if it is private."""
    eps, published = EPS.get(noise, (np.inf, np.inf) if np.isfinite(run) else (np.nan, np.nan))
    level = "" if np.isnan(run) else "inf" if noise is None else f"noise-{noise:g}"
    return {
        "source": source,
        "kind": kind,
        "level": level,
        "noise_multiplier": np.nan if noise is None else noise,
        "run": run,
        "epoch": 50.0 if np.isfinite(run) else np.nan,
        "eps": eps,
        "eps_published": published,
        "unit": "" if noise is None else "patch",
        "validation_dsc": 0.5,
    }


def measured(about, train, test, ssim):
    values = {"frechet_train": train, "frechet_test": test, "ssim_mean": ssim, "ssim_sd": 0.1}
    return about | values | {"images_frechet": 2000, "images_ssim": 1000, "extractor": LITE0}


def quality():
    """Return image quality of a study of two noisy levels with two runs, the second run closer to train."""
    table = [
        measured(identity("real", "real"), 50, 89, 0.3),
        measured(identity("phantom-one", "phantom"), 260, 270, 0.5),
        measured(identity("phantom-random", "phantom"), 240, 244, 0.4),
        measured(identity("wgan/inf/run-1/epoch-50", "inf", run=1), 100, 120, 0.32),
        measured(identity("dcgan/inf/run-1/epoch-50", "compared", run=1), 130, 140, 0.35),
    ]
    for noise, (train, ssim) in {0.65: (200, 0.4), 2.0: (400, 0.96)}.items():
        for run in (1, 2):
            about = identity(f"wgan/noise-{noise:g}/run-{run}/epoch-50", "private", noise, run)
            table.append(measured(about, train + 20 * run, train + 30 * run, ssim + 0.01 * run))
    return pd.DataFrame(table)


def points(axes, marker):
    """Return the heights of all points drawn with a marker."""
    lines = [line for line in axes.get_lines() if line.get_marker() == marker]
    return sorted(np.concatenate([line.get_ydata() for line in lines]))


def levels(axes):
    """Return the heights of all lines from edge to edge."""
    return sorted(line.get_ydata()[0] for line in axes.get_lines() if list(line.get_xdata()) == [0, 1])


# Figures 6 and 8


def test_figure_6_has_both_distances_of_every_run_and_their_difference():
    data = fig6_data(quality())
    run = data[data["source"] == "wgan/noise-0.65/run-2/epoch-50"].set_index("measure")["value"]
    assert run.to_dict() == {"train": 240, "test": 260, "test - train": 20}
    assert data[data["shows"] == "runs"].drop_duplicates("model")["eps"].tolist() == [0.82, 6.24, np.inf]


def test_figure_6_draws_runs_as_points_and_joins_their_means():
    axes = fig6(fig6_data(quality())).axes
    assert points(axes[0], "s") == [100, 220, 240, 420, 440]
    assert points(axes[0], "^") == [120, 230, 260, 430, 460]
    joined = [list(line.get_ydata()) for line in axes[0].get_lines() if len(line.get_ydata()) == 3]
    assert joined == [[430, 230, 100], [445, 245, 120]]
    assert points(axes[1], "o") == [10, 10, 20, 20, 20]


def test_figure_6_has_lines_for_the_floor_and_for_what_costs_no_privacy():
    shown = set(texts(fig6(fig6_data(quality()))))
    assert {"real: half to half  50.0", "real: training to test  89.0", "real patches  39.0"} <= shown
    assert {"phantom-random (ε = 0) to training  240", "phantom-random (ε = 0) to test  244"} <= shown
    assert {"phantom-one (ε = 0)  10.0", "phantom-random (ε = 0)  4.00"} <= shown


def test_figure_6_says_fid_only_where_the_table_does():
    ours = " ".join(texts(fig6(fig6_data(quality()))))
    assert "FID" not in ours
    assert "EfficientNet-Lite0" in ours
    assert "FID" in texts(fig6(fig6_data(quality().assign(extractor="FID"))))


def test_figure_6_warns_of_distances_from_sets_of_different_size():
    table = quality()
    table.loc[table["source"] == "wgan/inf/run-1/epoch-50", "images_frechet"] = 500
    assert any("Sets of 500 to 2,000 images" in text for text in texts(fig6(fig6_data(table))))


def test_figure_8_has_mean_and_spread_over_runs_and_not_over_pairs():
    data = fig8_data(quality())
    level = data[(data["shows"] == "level") & (data["eps"] == 6.24)].iloc[0]
    assert level["value"] == pytest.approx(0.415)
    assert level["sd"] == pytest.approx(0.01 / np.sqrt(2))
    single = data[(data["shows"] == "level") & (data["level"] == "inf")].iloc[0]
    assert np.isnan(single["sd"])
    drawn = fig8(data)
    np.testing.assert_allclose(points(drawn.axes[0], "o"), [0.32, 0.41, 0.42, 0.97, 0.98])
    assert {"real patches  0.30", "phantom-random (ε = 0)  0.40"} <= set(texts(drawn))


def test_a_collapsed_generator_stays_inside_figure_8():
    table = quality()
    table.loc[table["noise_multiplier"] == 2, "ssim_mean"] = 1.0
    axes = fig8(fig8_data(table)).axes[0]
    assert axes.get_ylim()[0] <= 0 < 1 < axes.get_ylim()[1]


@pytest.mark.parametrize(("prepare", "draw"), [(fig6_data, fig6), (fig8_data, fig8)])
def test_quality_figures_keep_the_place_of_a_level_without_results_and_say_so(prepare, draw):
    table = quality()
    table.loc[table["noise_multiplier"] == 2, ["frechet_train", "frechet_test", "ssim_mean"]] = np.nan
    shown = texts(draw(as_read_back(prepare(table))))
    assert {"no result", "0.82"} <= set(shown)
    assert any("wgan/noise-2/run-1/epoch-50 and 1 more" in text for text in shown)


@pytest.mark.parametrize(("prepare", "draw"), [(fig6_data, fig6), (fig8_data, fig8)])
def test_quality_figures_say_what_is_not_in_the_table(prepare, draw):
    table = quality()
    bare = texts(draw(prepare(table[table["kind"] == "real"])))
    assert any("Not in this table: phantom-random, phantom-one." in text for text in bare)
    assert any("No GAN in this table." in text for text in bare)
    plain = texts(draw(prepare(table[table["kind"] != "private"])))
    assert any("No private GAN in this table." in text for text in plain)


# Figures 9 and S1


def embedded(names=("real", "inf", "private", "phantom-random"), count=30, side=16):
    """Return an embedding in which each set is a cloud of its own grey."""
    rng = np.random.default_rng(0)
    eps = [{"inf": np.inf, "private": 6.24}.get(name, np.nan) for name in names]
    own = np.repeat(np.arange(len(names)), count)
    return {
        "image": (60 * own[:, None, None] + np.zeros((1, side, side))).astype(np.uint8),
        "position": rng.normal(size=(len(own), 2)) + 3 * own[:, None],
        "set": own,
        "names": np.array(names),
        "level": np.array(names),
        "eps": np.array(eps),
        "eps_published": np.array([{6.24: 10.18}.get(value, value) for value in eps]),
    }


def test_figure_9_shows_all_images_at_their_places_and_each_set_alone():
    data = embedded()
    figure = fig9(data)
    clouds = [cloud.get_offsets() for cloud in figure.axes[0].collections]
    np.testing.assert_allclose(np.concatenate(clouds), data["position"])
    assert len(figure.axes) == 5
    assert [len(cloud.get_offsets()) for cloud in figure.axes[1].collections] == [90, 30]


def test_sets_differ_in_colour_and_in_marker():
    looks = assign_looks(
        ["real", "scratch", "inf", "dcgan", "private", "phantom-one"],
        [np.nan] * 2 + [np.inf] * 2 + [1, np.nan],
    )
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(looks)
    assert looks[2] == (PALETTE["green"], "s")


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_embedding_names_every_set_with_both_eps(draw):
    shown = texts(draw(embedded()))
    assert {"real patches", "ε = ∞ (no privacy)", "phantom-random (ε = 0)"} <= set(shown)
    assert "ε = 6.24 (as published 10.2)" in shown


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_embedding_without_a_private_set_says_so(draw):
    assert any("No private GAN" in text for text in texts(draw(embedded(names=("real", "inf")))))


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_collapsed_set_on_one_spot_is_drawn_and_named(draw):
    data = embedded(names=("real", "private"))
    data["position"][:] = 0.0
    data["image"][:30] = np.arange(30)[:, None, None]
    notes = " ".join(texts(draw(data)))
    assert "ε = 6.24 (as published 10.2): all 30 images are the same." in notes
    assert "real patches: all" not in notes


def test_no_two_images_of_figure_s1_overlap_and_none_could_be_added():
    rng = np.random.default_rng(1)
    corners, own = rng.integers(0, 200, (150, 2)), rng.integers(0, 3, 150)
    kept = thin_out(corners, own, apart=20)

    def touch(a, b):
        return abs(corners[a] - corners[b]).max() < 20

    assert not any(touch(a, b) for a, b in itertools.combinations(kept, 2))
    left = set(range(150)) - set(kept)
    assert all(any(touch(index, other) for other in kept) for index in left)


def test_sets_take_turns_where_images_would_overlap():
    corners = np.array([[0, 0], [30, 0], [25, 0], [60, 0]])
    # The second of set 0 at 30 would cover the first of set 1 at 25.
    assert sorted(thin_out(corners, np.array([0, 0, 1, 1]), apart=20)) == [0, 2, 3]
    assert sorted(thin_out(corners, np.array([0, 0, 0, 1]), apart=20)) == [0, 1, 3]


def test_images_that_just_touch_are_both_shown():
    assert thin_out(np.array([[0, 0], [20, 0], [0, 39]]), np.zeros(3, int), apart=20) == [0, 1, 2]


def test_figure_s1_puts_an_image_with_high_y_up_and_frames_it_in_the_colour_of_its_set():
    data = embedded(names=("real", "inf"), count=1)
    data["position"] = np.array([[0.0, 0.0], [1.0, 1.0]])
    canvas = np.asarray(figS1(data).axes[0].get_images()[0].get_array())
    green = np.round(255 * np.array(to_rgba(PALETTE["green"])[:3]))
    assert canvas[0, -1].tolist() == green.tolist()
    assert canvas[-1, 0].tolist() == [0, 0, 0]
    assert canvas[10, -10].tolist() == [60, 60, 60]
    assert canvas[0, 0].tolist() == [255, 255, 255]


# What figures 4 and S2 show


def test_lowest_levels_are_the_best_runs_of_the_smallest_valid_eps():
    assert choose_lowest(study(), 1)["source"].tolist() == ["wgan/noise-2/run-2/epoch-50"]
    both = ["wgan/noise-0.65/run-2/epoch-50", "wgan/noise-2/run-2/epoch-50"]
    assert choose_lowest(study(), 3)["source"].tolist() == both
    assert choose_lowest(pd.concat(free_rows()), 3).empty


def test_references_are_real_patches_and_the_best_of_what_needs_no_eps():
    frame = study()
    frame.loc[frame["source"] == "frangi", "validation_dsc"] = 0.7
    shown = choose_references(frame)
    assert shown["level"].tolist() == ["real", "frangi (ε = 0)"]
    assert choose_references(frame[frame["kind"] == "real"])["source"].tolist() == ["real"]


def test_scores_of_a_patient_are_those_of_the_cohort_shown():
    frame = study().assign(patient="sub-01").drop_duplicates(["source", "cohort"])
    frame.loc[frame["cohort"] == "phantom-b", "dsc"] = 0.25
    shown = add_scores(choose_lowest(frame, 2), frame, cohort="phantom-b", patient="sub-01")
    assert shown["dsc"].tolist() == [0.25, 0.25]
    lost = add_scores(shown[["source"]], frame, cohort="phantom-b", patient="sub-02")
    assert lost["dsc"].isna().tolist() == [True, True]


# The comparison of GANs


def architectures():
    """Return the small study of figure 3 with two more architectures, one of them in two runs."""
    plain = {"level": "inf", "eps": np.inf, "eps_published": np.inf}
    more = [
        rows("dcgan/inf/run-1/epoch-50", "compared", [0.5, 0.7], validation=0.6, run=1, **plain),
        rows("wgan-gp-sn/inf/run-1/epoch-50", "compared", [0.9, 0.9], validation=0.6, run=1, **plain),
        rows("wgan-gp-sn/inf/run-2/epoch-50", "compared", [0.8, 0.9], validation=0.7, run=2, **plain),
    ]
    frame = pd.concat([study(), *more], ignore_index=True)
    return frame.assign(hd95_mm=30 - 20 * frame["dsc"])


def test_comparison_has_one_row_an_architecture_between_real_patches_and_what_costs_nothing():
    data = gan_comparison_data(architectures())
    assert list(dict.fromkeys(data["name"])) == [
        "real patches",
        "WGAN, ε = ∞",
        "DCGAN, ε = ∞",
        "WGAN-GP-SN, ε = ∞",
        "WGAN, ε = 6.24 (published 10.2)",
        "phantom-random (ε = 0)",
        "phantom-one (ε = 0)",
        "threshold (ε = 0)",
        "frangi (ε = 0)",
    ]
    assert "wgan-gp-sn/inf/run-2/epoch-50" in set(data["source"])
    assert "wgan-gp-sn/inf/run-1/epoch-50" not in set(data["source"])


def test_comparison_has_every_patient_and_mean_and_sample_sd_of_both_metrics():
    data = gan_comparison_data(architectures())
    dcgan = data[(data["source"] == "dcgan/inf/run-1/epoch-50") & (data["cohort"] == "phantom-b")]
    for metric, patients, sd in (("dsc", [0.5, 0.7], 0.2), ("hd95_mm", [20, 16], 4)):
        own = dcgan[dcgan["metric"] == metric]
        np.testing.assert_allclose(own[own["shows"] == "patient"]["value"], patients)
        mean = own[own["shows"] == "mean"].iloc[0]
        assert mean["value"] == pytest.approx(np.mean(patients))
        assert mean["sd"] == pytest.approx(sd / np.sqrt(2))
    assert {"0.60 ± 0.14", "18.0 ± 2.8"} <= set(texts(gan_comparison(data)))


def test_comparison_has_two_panels_a_cohort():
    frame = architectures()
    assert len(gan_comparison(gan_comparison_data(frame)).axes) == 4
    assert len(gan_comparison(gan_comparison_data(frame[frame["cohort"] == "phantom-a"])).axes) == 2


def test_comparison_without_other_architectures_or_private_gans_says_so():
    frame = architectures()
    shown = texts(gan_comparison(gan_comparison_data(frame[~frame["kind"].isin(["compared", "private"])])))
    assert any("No other architecture in this table." in text for text in shown)
    assert any("No private GAN in this table." in text for text in shown)


def test_architecture_that_was_not_evaluated_is_a_row_of_its_own():
    frame = architectures()
    frame.loc[frame["source"] == "dcgan/inf/run-1/epoch-50", ["dsc", "hd95_mm"]] = np.nan
    shown = texts(gan_comparison(as_read_back(gan_comparison_data(frame))))
    assert "DCGAN, ε = ∞" in shown
    assert shown.count("missing") == 4


# Transfer learning


GP_SN = "wgan-gp-sn/inf/run-1/epoch-50"


def tuned(start, kind, values, *, noise=None, run=np.nan):
    """Return the rows of one start: `values[k][draw]` is the mean DSC of two test patients 0.1 apart."""
    about = {"start": start} | identity(start, kind, noise, run)
    about = {key: about[key] for key in ("start", "kind", "level", "noise_multiplier", "eps")} | {
        "eps_published": about["eps_published"],
        "unit": about["unit"],
    }
    return pd.DataFrame(
        [
            about
            | {"patients": k, "draw": 0 if k == 0 else draw, "cohort": "phantom-b", "patient": f"b{patient}"}
            | {"dsc": mean + side, "hd95_voxel": 60 - 40 * mean, "hd95_mm": 30 - 20 * mean, "empty": 0}
            for k, draws in values.items()
            for draw, mean in enumerate(draws, start=1)
            for patient, side in enumerate((-0.05, 0.05))
        ]
    )


def transferred():
    return pd.concat(
        [
            tuned("scratch", "scratch", {1: [0.2, 0.4], 5: [0.6, 0.7]}),
            tuned(GP_SN, "compared", {0: [0.7], 1: [0.75, 0.77], 5: [0.8, 0.82]}, run=1),
            tuned(
                "wgan/noise-0.65/run-2/epoch-50",
                "private",
                {0: [0.5], 1: [0.6], 5: [0.7, 0.72]},
                noise=0.65,
                run=2,
            ),
            tuned("frangi", "baseline", {0: [0.64]}),
            tuned("phantom-random", "phantom", {0: [0.6]}),
            tuned("phantom-one", "phantom", {0: [0.25]}),
            tuned("threshold", "baseline", {0: [0.62]}),
        ],
        ignore_index=True,
    )


def test_transfer_averages_test_patients_first_and_takes_the_spread_over_draws():
    data = transfer_data(transferred())
    scratch = data[(data["start"] == "scratch") & (data["metric"] == "dsc") & (data["patients"] == 1)]
    np.testing.assert_allclose(scratch[scratch["shows"] == "draw"]["value"], [0.2, 0.4])
    mean = scratch[scratch["shows"] == "mean"].iloc[0]
    assert mean["value"] == pytest.approx(0.3)
    assert mean["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert mean["draws"] == 2


def test_transfer_as_it_was_and_single_draws_have_no_spread_and_scratch_no_start():
    table = transfer_table(transfer_data(transferred()))
    assert table.loc[(GP_SN, "dsc")].tolist() == ["0.70", "0.76 ± 0.01", "0.81 ± 0.01"]
    assert table.loc[("scratch", "dsc"), 0] == "–"
    assert table.loc[("wgan/noise-0.65/run-2/epoch-50", "dsc"), 1] == "0.60"
    assert table.loc[("scratch", "hd95_mm"), 1] == "24.0 ± 2.8"


def test_transfer_draws_a_line_a_start_and_names_its_eps():
    figure = transfer(transfer_data(transferred()))
    starts = {
        line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines() if len(line.get_ydata()) > 1
    }
    np.testing.assert_allclose(starts[GP_SN], [0.7, 0.76, 0.81])
    shown = texts(figure)
    assert {"nothing (from scratch)", "wgan-gp-sn, ε = ∞"} <= set(shown)
    assert "ε = 6.24 (published 10.2), noise 0.65" in shown
    assert "patients of phantom-b trained on" in shown


def test_transfer_has_a_line_and_a_row_for_each_of_what_costs_no_eps():
    data = transfer_data(transferred())
    free = data[data["shows"] == "reference"]
    assert set(free["start"]) == set(FREE)
    assert set(free["patients"]) == {0}
    table = transfer_table(data)
    assert table.loc[("phantom-random", "dsc")].tolist() == ["0.60", "–", "–"]
    assert table.index[-1][0] in FREE
    figure = transfer(data)
    for axes, dsc in ((figure.axes[0], lambda value: value), (figure.axes[1], lambda value: 30 - 20 * value)):
        np.testing.assert_allclose(levels(axes), sorted(dsc(value) for value in (0.25, 0.6, 0.62, 0.64)))
        assert axes.get_xticks().tolist() == [0, 1, 2]
    shown = texts(figure)
    assert {"Frangi filter (ε = 0)  0.64", "Frangi filter (ε = 0)  17.2"} <= set(shown)
    assert "trained on no patient of either cohort (ε = 0)" in shown
    assert any("validation patients of the first cohort" in text.replace("\n", " ") for text in shown)


def test_transfer_of_a_study_with_a_rival_of_its_own_name_lists_it_and_says_what_is_absent():
    table = transferred().replace({"start": {"phantom-one": "phantom-mine"}})
    shown = texts(transfer(as_read_back(transfer_data(table))))
    assert "phantom-mine (ε = 0)" in shown
    assert any("Not in this table: phantom-one." in text for text in shown)


def test_transfer_whose_training_failed_keeps_the_lines():
    table = transferred()
    table.loc[~table["start"].isin(FREE), ["dsc", "hd95_mm"]] = np.nan
    figure = transfer(as_read_back(transfer_data(table)))
    assert texts(figure).count("no results") == 2
    assert levels(figure.axes[0]) == pytest.approx([0.25, 0.6, 0.62, 0.64])


def test_transfer_of_several_cohorts_is_refused_by_name():
    table = transferred()
    table.loc[:3, "cohort"] = "phantom-c"
    with pytest.raises(ValueError, match="phantom-c, phantom-b"):
        transfer_data(table)


def test_transfer_shows_a_cell_without_results_as_missing():
    table = transferred()
    table.loc[(table["start"] == GP_SN) & (table["patients"] == 1), ["dsc", "hd95_mm"]] = np.nan
    data = as_read_back(transfer_data(table))
    assert transfer_table(data).loc[(GP_SN, "dsc"), 1] == "missing"
    assert any("fewer test patients" in text for text in texts(transfer(data)))


# Epochs


def trained(level, values, *, noise=np.nan, eps=np.inf, arch="wgan"):
    """Return rows of one level; `values[epoch]` are its runs, eps grows with the root of the epoch."""
    return pd.DataFrame(
        [
            {
                "source": f"{arch}/{level}/run-{run}/epoch-{epoch}",
                "kind": "private" if np.isfinite(noise) else "inf",
                "arch": arch,
                "level": level,
                "noise_multiplier": noise,
                "run": run,
                "epoch": epoch,
                "eps": eps * np.sqrt(epoch / 50),
                "eps_published": 1.6 * eps * np.sqrt(epoch / 50),
                "unit": "patch" if np.isfinite(noise) else "",
                "dsc_mean": value,
                "dsc_sd": 0.05,
                "patients": 11,
                "kept": epoch == 50,
            }
            for epoch, runs in values.items()
            for run, value in enumerate(runs, start=1)
        ]
    )


def curves(axes):
    """Return the lines through the three epochs of a level."""
    lines = [line for line in axes.get_lines() if line.get_marker() in ("None", "")]
    return [line for line in lines if len(line.get_xdata()) == 3]


def epoch_study():
    private = trained("noise-0.65", {10: [0.4, 0.5], 29: [0.7, 0.6], 50: [0.5, 0.7]}, noise=0.65, eps=6.24)
    free = {"phantom-random": 0.9, "phantom-one": 0.25, "threshold": 0.55, "frangi": 0.58}
    rivals = pd.DataFrame([{"source": name, "dsc_mean": dsc, "kept": True} for name, dsc in free.items()])
    rivals["kind"] = ["phantom", "phantom", "baseline", "baseline"]
    return pd.concat([private, trained("inf", {10: [0.6], 29: [0.7], 50: [0.8]}), rivals], ignore_index=True)


def test_best_epoch_has_the_highest_mean_over_runs_and_the_eps_spent_by_then():
    data = epochs_data(epoch_study())
    best = data[data["best"]].set_index("level")
    assert best["epoch"].to_dict() == {"inf": 50, "noise-0.65": 29}
    assert best.loc["noise-0.65", "value"] == pytest.approx(0.65)
    assert best.loc["noise-0.65", "eps"] == pytest.approx(6.24 * np.sqrt(29 / 50))
    shown = texts(epochs(data))
    assert {"29", "4.75", "7.6", "0.65 ± 0.07"} <= set(shown)
    assert any("never of test patients" in text for text in shown)


def test_best_epoch_among_equals_is_the_one_that_spent_less():
    data = epochs_data(trained("noise-2", {50: [0.4], 20: [0.4], 10: [0.3]}, noise=2, eps=0.82))
    assert data[data["best"]]["epoch"].tolist() == [20]


def test_epochs_against_eps_leave_out_what_has_no_privacy():
    axes = epochs(epochs_data(epoch_study())).axes
    drawn = curves(axes[1])
    np.testing.assert_allclose(drawn[0].get_xdata(), 6.24 * np.sqrt(np.array([10, 29, 50]) / 50))
    np.testing.assert_allclose(drawn[0].get_ydata(), [0.45, 0.65, 0.6])
    assert len(drawn) == 1
    assert len(curves(axes[0])) == 2


def test_epochs_have_named_lines_in_both_panels_for_what_costs_no_eps():
    data = epochs_data(epoch_study())
    assert data["shows"].tolist()[-4:] == ["reference"] * 4
    figure = epochs(data)
    for axes in figure.axes[:2]:
        assert levels(axes) == [0.25, 0.55, 0.58, 0.9]
        assert axes.get_ylim()[0] < 0 < 0.9 < axes.get_ylim()[1]
    shown = texts(figure)
    assert shown.count("Frangi filter (ε = 0)  0.58") == shown.count("phantom-random (ε = 0)  0.90") == 2
    assert any("these same validation patients" in text.replace("\n", " ") for text in shown)


def test_lines_are_no_levels_whose_best_epoch_is_sought():
    with_lines = epochs_data(epoch_study())
    alone = epochs_data(epoch_study()[lambda table: table["epoch"].notna()])
    pd.testing.assert_frame_equal(with_lines[with_lines["shows"] != "reference"], alone, check_dtype=False)


def test_epochs_without_results_keep_the_lines_and_missing_lines_are_named():
    table = epoch_study()
    table.loc[table["epoch"].notna() | table["source"].eq("threshold"), "dsc_mean"] = np.nan
    figure = epochs(as_read_back(epochs_data(table[table["source"] != "frangi"])))
    assert texts(figure).count("no results") == 2
    assert levels(figure.axes[1]) == [0.25, 0.9]
    notes = " ".join(texts(figure))
    assert "Not in this table: frangi." in notes
    assert "No result for: threshold." in notes


def test_epoch_of_a_failed_run_is_the_mean_of_the_others_and_counted():
    table = epoch_study()
    table.loc[(table["epoch"] == 29) & (table["run"] == 2), "dsc_mean"] = np.nan
    data = epochs_data(table)
    assert data[data["best"] & (data["level"] == "noise-0.65")]["value"].tolist() == [0.7]
    assert any("No result for 1 of 9 runs and epochs." in text for text in texts(epochs(data)))


def test_epochs_of_two_architectures_are_lines_of_their_own():
    both = pd.concat([epoch_study(), trained("inf", {10: [0.5]}, arch="dcgan")], ignore_index=True)
    data = epochs_data(both)
    assert set(data[data["shows"] != "reference"]["model"]) == {"wgan inf", "wgan noise-0.65", "dcgan inf"}


# All of them


def pixels(figure):
    written = io.BytesIO()
    with style():
        figure.savefig(written, format="raw", dpi=60)
    return written.getvalue()


CASES = {
    "fig6": (fig6_data, fig6, quality),
    "fig8": (fig8_data, fig8, quality),
    "gan_comparison": (gan_comparison_data, gan_comparison, architectures),
    "transfer": (transfer_data, transfer, transferred),
    "epochs": (epochs_data, epochs, epoch_study),
}


@functools.cache
def draw_once(name):
    """Return the figure of a full table."""
    prepare, draw, table = CASES[name]
    return draw(prepare(table()))


@pytest.mark.parametrize("name", CASES)
def test_redrawn_from_its_csv_the_figure_has_the_same_pixels(name):
    prepare, draw, table = CASES[name]
    assert pixels(draw_once(name)) == pixels(draw(as_read_back(prepare(table()))))


@pytest.mark.parametrize("name", CASES)
def test_data_of_a_table_read_back_from_csv_are_the_same(name):
    prepare, _, table = CASES[name]
    pd.testing.assert_frame_equal(prepare(as_read_back(table())), prepare(table()), check_dtype=False)


@pytest.mark.parametrize("name", CASES)
def test_no_two_texts_overlap(name):
    assert not overlaps(draw_once(name))


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_no_two_texts_of_an_embedding_overlap(draw):
    assert not overlaps(
        draw(embedded(names=("real", "inf", "private", "phantom-one", "phantom-random"), side=8))
    )


@pytest.mark.parametrize("name", CASES)
def test_tables_with_nothing_with_one_row_and_without_any_score_draw_without_warnings(name):
    prepare, draw, table = CASES[name]
    full = table()
    scores = [key for key in full if full[key].dtype.kind == "f" and re.match("dsc|hd95|frechet|ssim", key)]
    private = full[full["noise_multiplier"] == 0.65].head(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in (full.head(0), full.head(1), private, full.assign(**dict.fromkeys(scores, np.nan))):
            for frame in (case, as_read_back(case)):
                draw(as_read_back(prepare(frame))).draw_without_rendering()
