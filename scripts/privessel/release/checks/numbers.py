"""The numbers of privacy.json: each is computed again from the mechanisms, or compared with others."""

from privessel.limits import readable
from privessel.release.checks.cautions import is_region_too_large
from privessel.release.checks.epsilon import compose_adaptively, compose_epsilon
from privessel.release.checks.shape import FORMAT, find_misshapen
from privessel.release.checks.statement import METHOD, list_not_covered
from privessel.release.checks.words import (
    LEVELS,
    SELECTION,
    call,
    count_units,
    is_model,
    name_neighbours,
    name_sampler,
    tell_choices,
    tell_promises,
    tell_refusals,
)

# By how much a stated eps may fall short of the one computed here, or exceed it. The accountant is the same,
# but the packages below it may be of other versions: then another grid may be the first that is fine enough.
SHORT = {"unit": 2e-3, "group": 1e-2}
OVER = 1e-2
CHANCE = 0.02  # the same of the probability of a larger loss, which is printed with two digits
EXACT = 1e-6  # the same of eps if runs were chosen one after the other, which has no grid
LARGE = 900  # above this eps of several patches, the probability of a larger loss may be left out


def check_numbers(stated: dict) -> tuple[list[str], list[str]]:
    """Return (lines to show, faults) of privacy.json; ImportError where dp-accounting is not installed."""
    faults = find_misshapen(stated)
    if faults:
        return [], faults
    faults = _check_constants(stated) + _check_sizes(stated) + _check_judgements(stated)
    lines, more = _check_promises(stated)
    told = [f"unit of the noise: one {stated['unit']} of {count_units(stated):,}", *tell_promises(stated)]
    return [*lines, *told], faults + more


def _check_constants(stated):
    model = is_model(stated)
    expected = {
        "format": FORMAT,
        "protects": not stated["public_key"],
        "neighbours": name_neighbours(stated["unit"]),
        "sampler": name_sampler(stated["vote"], model=model),
        "not_covered": list_not_covered(stated["vote"], model=model),
    }
    found = [f"{name} is not {value!r}" for name, value in expected.items() if stated[name] != value]
    if stated["accountant"]["method"] != METHOD:
        found.append(f"the accountant's method is not {METHOD!r}")
    if stated["vote"] and stated["unit"] != "patient":
        found.append("a vote protects whole patients, and the unit is another one")
    if stated["public_key"] and not stated["public_cohort"]:
        found.append("noise from a published seed on patients")
    if stated["public_cohort"] and not stated["public_key"]:
        found.append("secret noise on a public cohort, whose runs nobody would have counted")
    choice = stated["choice"]
    allowed = tell_choices(
        choice["private_sets"], choice["runs"], choice["models_without_noise"], model=model
    )
    if choice["told"] not in allowed:
        found.append(
            f"how the set was chosen is told in other words than {choice['private_sets']} sets allow"
        )
    if stated["public_cohort"] != (choice["runs"] is None):
        found.append("runs in ledgers are stated for a public cohort, or not stated for patients")
    behind = max(len(stated[level]["composed"]) for level in LEVELS)
    if choice["runs"] is not None and choice["runs"] < behind:
        found.append(f"{choice['runs']} runs in ledgers are stated, but {behind} are behind an eps")
    return found


def _check_sizes(stated):
    patients, each, units = stated["patients"], stated["patches_per_patient"], count_units(stated)
    found = []
    if stated["patches"] != patients * each:
        found.append(f"{stated['patches']:,} patches are not {each:,} of each of {patients:,} patients")
    if stated["region_patches"] > each:
        found.append(f"a place lies in {stated['region_patches']:,} patches of a patient, who gave {each:,}")
    batch = stated["run"]["sampling_rate"] * units
    if abs(batch - round(batch)) > 1e-6 * max(batch, 1) or round(batch) < 1:
        found.append(
            f"the sampling rate {stated['run']['sampling_rate']:.6g} of {units:,} units gives an expected "
            f"batch of {batch:.6g}, which is no whole number"
        )
    own = {name: stated[name] for name in ("patches_per_patient", "region_patches")}
    for level in [*LEVELS, *(["adaptive"] if stated["adaptive"] else [])]:
        if stated["run"] | own | {"counted": True} not in stated[level]["composed"]:
            found.append(
                f"the run that made {call(stated)['the']} is not among the runs behind the eps of one {level}"
            )
    return found


def _check_judgements(stated):
    faults = []
    rules, given = tell_refusals(stated), (stated["override"] or {"refused": []})["refused"]
    faults += [f"no reason is given although the rules refuse: {line}" for line in rules if line not in given]
    faults += [
        f"the release says wrongly that it is refused: {line}"
        for line in given
        if line not in [*rules, SELECTION]
    ]
    if "no file shows" in stated["choice"]["told"] and SELECTION not in given:
        faults.append("no reason is given although no file shows what chose the set")
    for delta, units, noun in (
        (stated["patient"]["delta"], stated["patients"], "patients"),
        *([(stated["delta"], stated["patches"], "patches")] if stated["unit"] == "patch" else []),
    ):
        if delta > 1 / units * (1 + 1e-9):
            faults.append(f"delta {delta:.3g} allows one of {units:,} {noun} to be published whole")
    if is_region_too_large(stated) != bool(stated["region"]["reason"]):
        spent, limit = readable(stated["region"]["epsilon_composed"]), stated["region"]["epsilon_limit"]
        faults.append(
            f"eps {spent} of a place on a vessel and its limit {limit:g} contradict the reason that is "
            "or is not given for it"
        )
    return faults


def _check_promises(stated):
    """Return lines and faults: each eps and each probability of a larger loss, computed again."""
    unit, lines, faults = stated["unit"], [], []
    own = {name: stated[name] for name in ("patches_per_patient", "region_patches")}
    for level in LEVELS:
        promise = stated[level]
        runs = {"epsilon": [stated["run"] | own], "epsilon_composed": promise["composed"]}
        for key, mechanisms in runs.items():
            run = (
                "all private runs" if key.endswith("composed") else f"the run that made {call(stated)['the']}"
            )
            name = f"one {level}, {run}"
            counts = _counts(mechanisms, "patch" if unit == "patient" else level)
            found = _compute(mechanisms, unit, level, promise["delta"], counts)
            lines.append(
                f"eps of {name}: stated {readable(promise[key])}, computed {readable(found[0])}, at delta "
                f"{promise['delta']:.3g}"
            )
            kind = "group" if max(counts) > 1 else "unit"
            if not _agree(promise[key], found[0], SHORT[kind], OVER):
                faults.append(
                    f"eps of {name} is stated as {readable(promise[key])}, but is {readable(found[0])}"
                )
            chance = promise[f"loss_above_{key}"]
            unknown = chance is None and max(counts) > 1 and (found[0] is None or found[0] > LARGE)
            bound = chance is None and found[1] is None
            if not (unknown or bound or _agree(chance, found[1], CHANCE, CHANCE)):
                faults.append(f"P[privacy loss > eps] of {name} is stated as {chance}, but is {found[1]}")
    planned = _compute([stated["run"]], unit, unit, stated["planned"]["delta"], [1])[0]
    if not _agree(stated["planned"]["epsilon"], planned, SHORT["unit"], OVER):
        given = stated["planned"]["epsilon"]
        faults.append(f"eps at the planned delta is stated as {readable(given)}, but is {readable(planned)}")
    same = {key: stated[key] for key in ("delta", "epsilon", "epsilon_composed")}
    faults += [
        f"{key} is {value:.4g}, but {stated[unit][key]} for one {unit}"
        for key, value in same.items()
        if stated[unit][key] != value
    ]
    more_lines, more = _check_adaptive(stated)
    lines += more_lines
    faults += more + _find_less_than_the_worst(stated)
    if unit == "patch" and stated["region"]["delta"] != stated["delta"]:
        faults.append(f"the delta of a region is {stated['region']['delta']:.3g}, not that of a patch")
    if unit == "patient" and {stated[level]["delta"] for level in LEVELS} != {stated["delta"]}:
        faults.append("a region or a patch has another delta than the patient who covers it")
    return lines, faults


def _check_adaptive(stated):
    """Return lines and faults: eps of one unit if the runs were chosen one after the other."""
    sets = [stated[level]["composed"] for level in LEVELS]
    adaptive = stated["adaptive"]
    if adaptive is None:
        several = any(len(mechanisms) > 1 for mechanisms in sets)
        return [], ["no eps is stated for runs that were chosen one after the other"] if several else []
    faults = [] if len(adaptive["composed"]) > 1 else ["one run was not chosen after a look at others"]
    spent = [
        compose_adaptively(mechanisms, unit=stated["unit"], delta=stated["delta"])
        for mechanisms in [adaptive["composed"], *(one for one in sets if len(one) > 1)]
    ]
    found, most = (None if one == float("inf") else one for one in (spent[0], max(spent)))
    told = f"eps of one {stated['unit']}, if the runs were chosen one after the other,"
    lines = [f"{told} is stated as {readable(adaptive['epsilon'])}, computed {readable(found)}"]
    for wanted in (found, most):
        if not _agree(adaptive["epsilon"], wanted, EXACT, EXACT):
            stated_as = readable(adaptive["epsilon"])
            return lines, [*faults, f"{told} is stated as {stated_as}, but is {readable(wanted)}"]
    return lines, faults


def _find_less_than_the_worst(stated):
    """Return the levels for which the runs behind another level's eps would give a larger one."""
    unit, found = stated["unit"], []
    for level in LEVELS:
        others = [
            stated[one]["composed"] for one in LEVELS if stated[one]["composed"] != stated[level]["composed"]
        ]
        for mechanisms in others:
            counts = _counts(mechanisms, "patch" if unit == "patient" else level)
            more = _compute(mechanisms, unit, level, stated[level]["delta"], counts)[0]
            spent = stated[level]["epsilon_composed"]
            short = SHORT["unit" if level == "patch" else "group"]
            if spent is not None and not (more is not None and spent >= (1 - short) * more):
                found.append(f"eps of one {level} is {readable(more)} for a patient of another row")
    return found


def _counts(mechanisms, level):
    """Return how many patches of a patient, a place or one patch take part in each mechanism."""
    name = {"patient": "patches_per_patient", "region": "region_patches"}.get(level)
    return [one[name] if name else 1 for one in mechanisms]


_computed = {}


def _compute(mechanisms, unit, level, delta, patches):
    """Return (eps or None, probability or None); each question is computed once."""
    asked = (str(mechanisms), unit, level, delta, str(patches))
    if asked not in _computed:
        given = {"unit": unit, "level": level, "delta": delta, "patches": patches}
        found, chance = compose_epsilon(mechanisms, **given)
        _computed[asked] = (None if found == float("inf") else found, chance)
    return _computed[asked]


def _agree(stated, found, short, over):
    """Whether `stated` falls short of `found` by a share `short` of it at most, and exceeds it by `over`."""
    if stated is None or found is None:
        return stated is found
    return (1 - short) * found <= stated <= (1 + over) * found
