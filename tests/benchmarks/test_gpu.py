"""The one command for the first GPU, on a CPU at its smallest size: it measures, keeps time, and can fail."""

import json

import gpu
import gpu_parts
import pytest
import torch

PARTS = ["agreement", "repetition", "critic steps", "training", "U-Net", "prediction"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(tmp_path, *arguments):
    output = tmp_path / "gpu.json"
    status = gpu.main(["--device", "cpu", "--tiny", "--output", str(output), *arguments])
    return status, json.loads(output.read_text())


def test_every_part_is_measured_and_the_study_is_estimated(tmp_path, capsys):
    status, report = run(tmp_path, "--minutes", "2")
    assert status == 0
    assert list(report) == ["device", "minutes", *PARTS, "estimate"]
    assert report["agreement"]["relative distance"] < gpu_parts.AGREES
    assert all(report["repetition"].values())
    for engine in ("not private", "book-keeping", "opacus"):
        assert report["critic steps"][f"{engine}, batch 16"]["seconds"] > 0
    assert report["prediction"]["batch 64"]["times as fast"] > 0
    hours = report["estimate"]["hours"]
    assert hours["the study"] > 36 * min(hours["a private GAN"], hours["a GAN without privacy"])
    assert hours["the study on 4 GPUs"] == pytest.approx(hours["the study"] / 4)
    printed = capsys.readouterr().out
    assert all(part in printed for part in PARTS)


def test_without_time_parts_are_skipped_and_it_is_said(tmp_path):
    status, report = run(tmp_path, "--minutes", "0")
    assert status == 0
    assert [report[part] for part in PARTS] == [{"result": "skipped: no time left"}] * len(PARTS)
    assert "result" in report["estimate"]


@pytest.mark.parametrize("tampered", ["clip", "noise"])
def test_a_step_with_another_clip_or_noise_disagrees_with_the_oracle(tmp_path, monkeypatch, tampered):
    honest = gpu_parts.private_gradient

    def tamper(*arguments, mechanism, **keywords):
        name = "clipping_norm" if tampered == "clip" else "noise_multiplier"
        changed = gpu_parts.replace(mechanism, **{name: 1.02 * getattr(mechanism, name)})
        return honest(*arguments, mechanism=changed, **keywords)

    monkeypatch.setattr(gpu_parts, "private_gradient", tamper)
    clock = gpu_parts.Clock("cpu", float("inf"))
    sizes = gpu.read_sizes(tiny=True)
    found = gpu_parts.measure_agreement(clock, sizes["gan"], size=sizes["size"])
    assert not found["agrees"]
    assert gpu.failed({"agreement": found}) == ["agreement"]


def test_a_part_that_fails_is_recorded_and_the_next_ones_run(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu_parts, "measure_critic_steps", fail)
    status, report = run(tmp_path, "--minutes", "2")
    assert status == 1
    assert report["critic steps"] == {"error": "RuntimeError: no such kernel"}
    assert report["U-Net"]["U-Net"]["seconds"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_line(tmp_path, capsys):
    assert gpu.main(["--output", str(tmp_path / "gpu.json")]) == 2
    told = capsys.readouterr().err
    assert "no CUDA device" in told
    assert "Remedy" in told
