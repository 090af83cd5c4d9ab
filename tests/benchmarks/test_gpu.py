"""The one command for the first GPU, on a CPU at its smallest size: it measures, keeps time, and can fail."""

import json

import gpu
import gpu_agreement
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
    status, report = run(tmp_path, "--minutes", "20")
    assert status == 0
    assert list(report) == ["device", "minutes", *PARTS, "estimate"]
    for engine in ("book-keeping", "opacus"):
        distances = report["agreement"][engine]
        assert len(distances["layers"]) == 2 * 4  # real pairs and fakes in each of the critic's layers
        assert max(distances["worst layer"], distances["whole step"]) < gpu_agreement.AGREES
    assert report["agreement"]["share of gradients that are clipped"] == 1
    assert len(report["repetition"]) == 2 + 2 * 3
    assert all(report["repetition"].values())
    assert report["U-Net"]["repeats bit for bit"]
    for engine in ("not private", "book-keeping", "opacus"):
        assert report["critic steps"][f"{engine}, batch 16"]["seconds"] > 0
    assert report["prediction"]["batch 64"]["times as fast"] > 0
    hours = report["estimate"]["hours"]
    assert hours["the study"] > 36 * min(hours["a private GAN"], hours["a GAN without privacy"])
    assert hours["the study on 1 GPU"] == pytest.approx(hours["the study"])
    assert hours["the study"] / 4 <= hours["the study on 4 GPUs"] < hours["the study"] / 2
    printed = capsys.readouterr().out
    assert all(part in printed for part in PARTS)


def test_without_time_parts_are_skipped_and_it_is_said(tmp_path):
    status, report = run(tmp_path, "--minutes", "0")
    assert status == 0
    assert [report[part] for part in PARTS] == [{"result": "skipped: no time left"}] * len(PARTS)
    assert "result" in report["estimate"]


def agreement():
    sizes = gpu.read_sizes(tiny=True)
    clock = gpu_parts.Clock("cpu", float("inf"))
    return gpu_agreement.measure_agreement(clock, sizes["gan"], size=sizes["size"])


@pytest.mark.parametrize("tampered", ["clipping_norm", "noise_multiplier"])
def test_a_step_with_another_clip_or_noise_disagrees_with_the_oracle(monkeypatch, tampered):
    honest = gpu_agreement.private_gradient

    def tamper(*arguments, mechanism, **keywords):
        changed = gpu_agreement.replace(mechanism, **{tampered: 1.01 * getattr(mechanism, tampered)})
        return honest(*arguments, mechanism=changed, **keywords)

    monkeypatch.setattr(gpu_agreement, "private_gradient", tamper)
    found = agreement()
    assert found["book-keeping"]["whole step"] > 1e-3
    assert not found["agrees"]
    assert gpu.failed({"agreement": found}) == ["agreement"]


def test_an_engine_with_one_wrong_layer_disagrees_there(monkeypatch):
    engine = gpu_agreement.CLIPPING["book-keeping"]

    class Wrong(engine):
        def sums(self, *arguments, **keywords):
            first, *others = super().sums(*arguments, **keywords)
            return [first * 1.01, *others]

    monkeypatch.setitem(gpu_agreement.CLIPPING, "book-keeping", Wrong)
    found = agreement()
    layers = found["book-keeping"]["layers"]
    assert {name for name, distance in layers.items() if distance > gpu_agreement.AGREES} == {
        "real, layers.0.weight",
        "fake, layers.0.weight",
    }
    assert not found["agrees"]


def test_where_no_gradient_is_clipped_nothing_agrees(monkeypatch):
    honest = gpu_agreement.private_inputs

    def loose(gan, *, samples):
        real, fake, mechanism = honest(gan, samples=samples)
        return real, fake, gpu_agreement.replace(mechanism, clipping_norm=1e6)

    monkeypatch.setattr(gpu_agreement, "private_inputs", loose)
    found = agreement()
    assert found["share of gradients that are clipped"] == 0
    assert not found["agrees"]


def test_states_with_one_other_bit_are_not_the_same():
    state = {"net": torch.ones(3), "groups": [{"lr": 0.1}]}
    assert gpu_agreement.same_bits(state, {"net": torch.ones(3), "groups": [{"lr": 0.1}]})
    assert not gpu_agreement.same_bits(
        state, {"net": torch.tensor([1, 1, 1 + 2**-23]), "groups": [{"lr": 0.1}]}
    )
    assert not gpu_agreement.same_bits(state, {"net": torch.ones(3), "groups": [{"lr": 0.2}]})


def test_kernels_are_those_that_each_room_asks_for(tmp_path, monkeypatch):
    seen = {}

    def note(name):
        def measure(*_, **__):
            seen[name] = torch.backends.cudnn.deterministic
            return {}

        return measure

    monkeypatch.setattr(gpu, "plan_parts", lambda _: {name: note(name) for name in PARTS})
    run(tmp_path, "--minutes", "20")
    assert seen == {name: name in gpu.GAN_PARTS for name in PARTS}


def test_a_row_without_memory_is_a_result_and_a_row_that_fails_keeps_the_others(monkeypatch):
    def without_memory(*_, **__):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(gpu_parts, "private_gradient", without_memory)
    sizes = gpu.read_sizes(tiny=True)
    clock = gpu_parts.Clock("cpu", float("inf"), repeats=1)

    def measure():
        return gpu_parts.measure_critic_steps(clock, sizes["gan"], size=sizes["size"], batches=[8])

    rows = measure()
    assert rows["opacus, batch 8"] == {"result": "out of memory"}
    assert rows["not private, batch 8"]["seconds"] > 0
    assert gpu.failed({"critic steps": rows}) == []

    def broken(*_, **__):
        raise ValueError("no such kernel")

    monkeypatch.setattr(gpu_parts, "private_gradient", broken)
    rows = measure()
    assert rows["opacus, batch 8"] == {"error": "ValueError: no such kernel"}
    assert rows["not private, batch 8"]["seconds"] > 0
    assert gpu.failed({"critic steps": rows}) == ["critic steps"]


def test_a_part_that_fails_is_recorded_and_the_next_ones_run(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu_parts, "measure_critic_steps", fail)
    status, report = run(tmp_path, "--minutes", "20")
    assert status == 1
    assert report["critic steps"] == {"error": "RuntimeError: no such kernel"}
    assert report["U-Net"]["U-Net"]["seconds"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_line(tmp_path, capsys):
    assert gpu.main(["--output", str(tmp_path / "gpu.json")]) == 2
    told = capsys.readouterr().err
    assert "no CUDA device" in told
    assert "Remedy" in told
