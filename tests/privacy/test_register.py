"""A ledger that cannot lose its tail: the register, what other files have seen of it, and the anchor."""

import json
import shutil
from itertools import pairwise

import pytest
from privacy.test_ledger import MASTER, opened, run_of

from privessel.errors import PrivacyError
from privessel.privacy.account import Point
from privessel.privacy.accounts import read_accounts
from privessel.privacy.anchor import append_anchor, read_anchor
from privessel.privacy.chain import Head, append, read_chain
from privessel.privacy.ledger import open_ledger
from privessel.privacy.register import Books
from privessel.privacy.seen import read_seen

KEY = MASTER.derive("ledger")


def charge(folder, number=1, *, steps=(100, 200, 300), anchor=None):
    """Charge a run; return what its privacy.json would have seen."""
    run = run_of(str(number) * 64, run=number)
    with open_ledger(
        folder, master=MASTER, run=run, point=Point(), machine="here", silent_minutes=0.01, anchor=anchor
    ) as ledger:
        for first, last in pairwise((0, *steps)):
            ledger.charge(first, last)
        return {"identity": run.identity, "attempts": 1, "register": ledger.register} | ledger.head


def cut(path, lines=1):
    """Remove so many lines from the end of a file."""
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-lines] if lines else content))


def accounts(folder, **changes):
    return read_accounts(folder, master=MASTER, **changes)


def ledger_of(folder, number):
    return folder / f"{str(number) * 64}.ledger"


def write_record(results, ledger, *, number=1, hidden=False, series="gan"):
    folder = results / series / "wgan" / "noise-1" / f"run-{number}" / (".finished" if hidden else "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "privacy.json").write_text(json.dumps({"arch": "wgan", "ledger": ledger}))
    return folder / "privacy.json"


# --- The register alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_lines_cut_off_a_ledger_are_missed(tmp_path, lines):
    """The break: without its last line, a discarded run's ledger read as one that was charged less."""
    charge(tmp_path)
    charge(tmp_path, 2)
    cut(ledger_of(tmp_path, 1), lines)
    with pytest.raises(
        PrivacyError, match=r"111\.ledger, the ledger of wgan/noise-1/run-1 on site: line .*removed"
    ):
        accounts(tmp_path)
    with pytest.raises(PrivacyError, match="charges were removed"):
        charge(tmp_path, 1)


def test_lines_cut_off_the_register_alone_are_missed(tmp_path):
    charge(tmp_path)
    whole = (tmp_path / "runs.register").read_bytes()
    cut(tmp_path / "runs.register", 1)
    assert accounts(tmp_path)[0].steps == 300  # as if killed between the two writes
    for lines in (2, 3, 4, 5):
        (tmp_path / "runs.register").write_bytes(whole)
        cut(tmp_path / "runs.register", lines)
        with pytest.raises(PrivacyError, match="lines of the register were removed"):
            accounts(tmp_path)
    (tmp_path / "runs.register").unlink()
    with pytest.raises(PrivacyError, match="lines of the register were removed"):
        accounts(tmp_path)


def test_a_ledger_one_line_ahead_is_read_and_the_register_catches_up_at_the_next_opening(tmp_path):
    charge(tmp_path)
    cut(tmp_path / "runs.register", 1)
    charge(tmp_path, 1, steps=(300,))
    cut(ledger_of(tmp_path, 1), 1)
    with pytest.raises(PrivacyError, match="charges were removed"):
        accounts(tmp_path)


def test_the_register_s_lines_cannot_be_edited_or_taken_from_another_site(tmp_path):
    charge(tmp_path)
    path = tmp_path / "runs.register"
    content = path.read_text()
    path.write_text(content.replace('"lines": 4', '"lines": 3'))
    with pytest.raises(PrivacyError, match="edited"):
        accounts(tmp_path)
    path.write_text(content)
    other = tmp_path.parent / f"{tmp_path.name}-other"
    charge(other)
    shutil.copy(other / "runs.register", path)  # the same secret, another history
    with pytest.raises(PrivacyError, match="charges were removed"):
        accounts(tmp_path)


def test_every_charge_and_every_opening_moves_the_register_forward(tmp_path):
    heads = []
    for number in (1, 2, 1):
        charge(tmp_path, number)
        heads.append(read_chain(tmp_path / "runs.register", key=KEY).head)
    assert [head.lines for head in heads] == sorted({head.lines for head in heads})
    assert len({head.mac for head in heads}) == 3


def test_several_runs_that_are_charged_in_turns_share_the_register(tmp_path):
    run, other = run_of("1" * 64), run_of("2" * 64, run=2)
    with opened(tmp_path, run) as one, opened(tmp_path, other) as two:
        for last in (10, 20, 30):
            one.charge(last - 10, last)
            two.charge(last - 10, last)
            assert [each.steps for each in accounts(tmp_path)] == [last, last]


def test_ledgers_of_an_older_version_are_adopted_with_a_warning_and_held_from_then_on(tmp_path, caplog):
    charge(tmp_path)
    (tmp_path / "runs.register").unlink()
    listed = {"identity": "1" * 64, "name": "wgan/noise-1/run-1", "cohort": "site"}  # as they wrote it
    append(tmp_path / "runs.register", listed, key=KEY, chain=read_chain(tmp_path / "none", key=KEY))
    assert accounts(tmp_path)[0].steps == 300
    charge(tmp_path, 2)
    assert caplog.text.count("1 ledgers of an older version are listed") == 1
    charge(tmp_path, 2)
    assert caplog.text.count("of an older version") == 1
    cut(ledger_of(tmp_path, 1))
    with pytest.raises(PrivacyError, match="charges were removed"):
        accounts(tmp_path)


# --- What other files have seen ----------------------------------------------------------------------------


def remove_run(folder, number, before):
    """Remove a run's ledger, and its lines from the register: what is left is a valid state of before."""
    ledger_of(folder, number).unlink()
    (folder / "runs.register").write_bytes(before)


def test_a_run_that_was_removed_with_its_lines_of_the_register_is_missed_by_later_runs(tmp_path):
    """The break: nothing noticed, and the composed eps was that of the run that was left."""
    state, results = tmp_path / "state", tmp_path / "results"
    write_record(results, charge(state, 1))
    before = (state / "runs.register").read_bytes()
    discarded = charge(state, 2)
    later = charge(state, 3)
    remove_run(state, 2, before)
    ledger_of(state, 3).unlink()
    assert len(accounts(state, seen=read_seen(results))) == 1  # nobody else has seen it
    for record, series, hidden in ((later, "gan", False), (discarded, "audit", True)):
        path = write_record(results, record, number=9, series=series, hidden=hidden)
        with pytest.raises(PrivacyError, match=rf"lacks a line that {path} has seen"):
            accounts(state, seen=read_seen(results))
        path.unlink()


def test_a_kept_copy_is_read_although_its_output_has_been_replaced(tmp_path):
    """The break: an output that said nothing of ledgers hid the copy that did."""
    state, results = tmp_path / "state", tmp_path / "results"
    before = charge(state, 1) and (state / "runs.register").read_bytes()
    discarded = charge(state, 2)
    hidden = write_record(results, discarded, number=2, hidden=True)
    write_record(results, None, number=2)
    remove_run(state, 2, before)
    with pytest.raises(PrivacyError, match=rf"lacks a line that {hidden} has seen"):
        accounts(state, seen=read_seen(results))


def test_a_privacy_json_of_an_older_version_still_holds_its_own_ledger(tmp_path):
    state, results = tmp_path / "state", tmp_path / "results"
    record = charge(state)
    del record["register"]
    path = write_record(results, record)
    (state / "runs.register").unlink()
    cut(ledger_of(state, 1), 4)  # only the line of the run itself is left
    with pytest.raises(PrivacyError, match=rf"lacks line 5, which {path} refers to"):
        accounts(state, seen=read_seen(results))


def test_a_bundle_has_seen_the_register_too(tmp_path):
    state, results = tmp_path / "state", tmp_path / "results"
    charge(state)
    before = (state / "runs.register").read_bytes()
    bundle = results / "release" / "vessels" / "privacy.json"
    bundle.parent.mkdir(parents=True)
    bundle.write_text(json.dumps({"register": charge(state, 2)["register"]}))
    assert len(accounts(state, seen=read_seen(results))) == 2
    remove_run(state, 2, before)
    with pytest.raises(PrivacyError, match="vessels/privacy.json has seen"):
        accounts(state, seen=read_seen(results))


def test_records_of_public_runs_and_releases_say_nothing_of_ledgers(tmp_path):
    write_record(tmp_path, None)
    bundle = tmp_path / "release" / "vessels" / "privacy.json"
    bundle.parent.mkdir(parents=True)
    bundle.write_text(json.dumps({"register": None}))
    assert [one for one in read_seen(tmp_path) if one.register or one.head] == []


# --- Forks and old copies ----------------------------------------------------------------------------------


def test_two_copies_that_both_went_on_refuse_each_other_s_checkpoints_and_records(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    charge(one)
    shutil.copytree(one, two)
    points = {}
    for folder in (one, two):
        # The same run goes on from the same step in both copies: not one charge differs.
        with opened(folder, run_of("1" * 64)) as ledger:
            points[folder] = Point(300, 0, None, ledger.register)
    assert points[one].register != points[two].register
    for mine, other in ((one, two), (two, one)):
        with opened(mine, run_of("1" * 64), point=points[mine]):
            pass
        with (
            pytest.raises(PrivacyError, match=r"lacks a line that the checkpoint .* two copies"),
            opened(mine, run_of("1" * 64), point=points[other]),
        ):
            pass


def test_a_restored_older_copy_is_refused_by_a_newer_checkpoint(tmp_path):
    state, backup = tmp_path / "state", tmp_path / "backup"
    charge(state)
    shutil.copytree(state, backup)
    with opened(state, run_of("1" * 64)) as ledger:
        point = Point(300, 0, ledger.head, ledger.register)
    shutil.rmtree(state)
    backup.rename(state)
    with pytest.raises(PrivacyError, match="older copy"), opened(state, run_of("1" * 64), point=point):
        pass


# --- The anchor --------------------------------------------------------------------------------------------


def test_a_tail_that_nothing_else_has_seen_is_missed_by_the_anchor(tmp_path):
    state, anchor = tmp_path / "state", tmp_path / "elsewhere" / "anchor.txt"
    charge(state, 1, anchor=anchor)
    before = (state / "runs.register").read_bytes()
    charge(state, 2, anchor=anchor)
    assert len(accounts(state, anchor=anchor)) == 2
    remove_run(state, 2, before)
    with pytest.raises(PrivacyError, match=r"lacks a line that the anchor .*anchor\.txt has seen"):
        accounts(state, anchor=anchor)
    with pytest.raises(PrivacyError, match="the anchor"):
        charge(state, 1, anchor=anchor)


def test_the_last_charge_of_a_run_is_anchored_when_charge_returns(tmp_path):
    state, anchor = tmp_path / "state", tmp_path / "anchor.txt"
    charge(state, anchor=anchor, steps=(100,))
    ledger, register = (path.read_bytes() for path in (ledger_of(state, 1), state / "runs.register"))
    charge(state, anchor=anchor, steps=(100, 300))
    ledger_of(state, 1).write_bytes(ledger)
    (state / "runs.register").write_bytes(register)
    with pytest.raises(PrivacyError, match="the anchor"):
        accounts(state, anchor=anchor)


def test_two_copies_with_one_anchor_are_found_as_soon_as_both_are_used(tmp_path):
    one, two, anchor = tmp_path / "one", tmp_path / "two", tmp_path / "anchor.txt"
    charge(one, anchor=anchor)
    shutil.copytree(one, two)
    charge(one, 2, anchor=anchor)
    with pytest.raises(PrivacyError, match="two copies that went on separately"):
        charge(two, 3, anchor=anchor)
    assert not ledger_of(two, 3).exists()


def test_an_anchor_that_is_gone_or_no_longer_named_is_missed_and_can_be_made_anew_by_hand(tmp_path):
    state, anchor = tmp_path / "state", tmp_path / "anchor.txt"
    charge(state, anchor=anchor)
    with pytest.raises(PrivacyError, match=r"privacy\.anchor is not set, but"):
        accounts(state)
    head = read_anchor(anchor)[-1]
    anchor.unlink()
    with pytest.raises(PrivacyError, match=r"privacy\.anchor .*anchor\.txt is missing, but"):
        accounts(state, anchor=anchor)
    anchor.write_text(f"{head.lines} {head.mac}")
    assert accounts(state, anchor=anchor)
    charge(state, 2, anchor=anchor)
    assert accounts(state, anchor=anchor)


@pytest.mark.parametrize("left", ["", "nonsense\n", "older"])
def test_an_anchor_that_was_emptied_or_cut_is_missed_as_one_that_is_gone(tmp_path, left):
    state, anchor = tmp_path / "state", tmp_path / "anchor.txt"
    charge(state, anchor=anchor)
    older = anchor.read_text()
    charge(state, 2, anchor=anchor)
    anchor.write_text(older if left == "older" else left)
    with pytest.raises(PrivacyError, match=r"lost its last lines"):
        accounts(state, anchor=anchor)


def test_a_site_may_begin_to_use_an_anchor_at_any_time(tmp_path):
    state, anchor = tmp_path / "state", tmp_path / "anchor.txt"
    charge(state)
    assert accounts(state, anchor=anchor)
    with Books(state, KEY, anchor).read() as register:
        register.write_anchor()  # as a release does
    assert read_anchor(anchor) == [read_chain(state / "runs.register", key=KEY).head]
    cut(ledger_of(state, 1), 3)
    cut(state / "runs.register", 4)
    with pytest.raises(PrivacyError, match="the anchor"):
        accounts(state, anchor=anchor)


def test_an_anchor_only_grows_and_a_line_cut_short_by_a_crash_is_skipped(tmp_path):
    path = tmp_path / "new" / "anchor.txt"
    heads = [Head(number, f"{number:064x}") for number in (1, 2, 3)]
    append_anchor(path, heads[0])
    first = path.read_text()
    with path.open("a") as file:
        file.write("2 000")
    for head in heads[1:]:
        append_anchor(path, head)
    assert path.read_text().startswith(first)
    assert read_anchor(path) == heads
    assert read_anchor(tmp_path / "none") is None


def test_the_anchor_tells_nothing_about_runs(tmp_path):
    anchor = tmp_path / "anchor.txt"
    charge(tmp_path / "state", anchor=anchor)
    lines = anchor.read_text().splitlines()
    assert all(len(line.split()) == 2 and line.split()[0].isdigit() for line in lines)
