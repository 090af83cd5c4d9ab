"""A saved state is whole or absent, and cannot run code."""

import os
import pickle

import pytest
import torch

from privessel.files import checkpoint


def test_what_is_loaded_is_what_was_saved(tmp_path):
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))], betas=(0.0, 0.9))
    state = {
        "step": 7,
        "identity": "abc",
        "history": [{"epoch": 1, "epsilon": None}],
        "nets": {"w": torch.rand(3)},
    }
    checkpoint.save(tmp_path / "new" / "state.pt", state | {"optimiser": optimiser.state_dict()})
    loaded = checkpoint.load(tmp_path / "new" / "state.pt")
    assert torch.equal(loaded["nets"].pop("w"), state["nets"].pop("w"))
    optimiser.load_state_dict(loaded.pop("optimiser"))
    assert loaded == state


def test_a_failed_save_leaves_the_state_before_it(tmp_path):
    path = tmp_path / "state.pt"
    checkpoint.save(path, {"step": 1})
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(path, {"step": 2, "bad": lambda: None})
    assert checkpoint.load(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "number"])
def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "state.pt"
    checkpoint.save(path, {"step": 1, "w": torch.zeros(1000)})
    whole = path.read_bytes()
    if damage == "number":
        torch.save(3.0, path)
    else:
        path.write_bytes(
            {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"epoch,loss\n1,2\n"}[damage]
        )
    with pytest.raises(ValueError, match="state.pt.*remove it"):
        checkpoint.load(path)


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"step": Attack()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps({"step": Attack()}, protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(ValueError, match=name):
            checkpoint.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_equal_states_give_equal_bytes(tmp_path):
    for name in ("a.pt", "b.pt"):
        checkpoint.save(tmp_path / name, {"weights": torch.arange(5.0), "step": 3})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
