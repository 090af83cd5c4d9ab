"""What YAML would drop or change without a word, in any file of a config, is refused by name and line."""

from pathlib import Path

import pytest
from study.studies import ROOT

from privessel.errors import ConfigError
from privessel.study.config.files import check_files, check_texts, read_arguments


def complaint(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as refused:
        check_files([path])
    for line in str(refused.value).splitlines():
        assert line.startswith(f"config: {path}")
        assert "Remedy: " in line
    return str(refused.value)


def test_what_ships_has_no_fault():
    check_files([*ROOT.glob("*.yaml"), *ROOT.glob("profiles/*/*.yaml"), ROOT / "tests/config.yaml"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("privacy: {delta: 1.0}\nseed: 1\nprivacy: {state: x}\n", ["line 3: privacy", "first in line 1"]),
        ("a:\n  b:\n    - c: 1\n      c: 2\n", ["line 4: a.b.0.c is given twice", "first in line 3"]),
        ("a: {b: {c: 1, d: 2, c: 3}}\n", ["line 1: a.b.c"]),
        ("a: 1\n'a': 2\n", ["line 2: a "]),
        ("a: &x {b: 1, b: 2}\nc: *x\n", ["line 1: a.b"]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n", ["line 4: c.<<"]),
        ('{"a": 1,\n"b": 2,\n"a": 3}', ["line 3: a "]),
        ("size: 010\n", ["line 1: size is 010", "reads as 8", "write 10"]),
        ("a: [1:30]\n", ["line 1: a.0 is 1:30", "reads as 90"]),
        ("a: 1\n\tb: 2\n", ["line 2", "not YAML", "never with tabs"]),
        ("a: [1, 2\nb: 3\n", ["line 2", "not YAML"]),
        ("a: b: c\n", ["line 1", "not YAML"]),
        ("a: 1\n---\nb: 2\n", ["not YAML"]),
        ("- a\n- b\n", ["has no keys"]),
        ("", ["has no keys"]),
        ("just words\n", ["has no keys"]),
        ("study: caf\u00e9\n".encode("latin-1"), ["UTF-8"]),
        ("study: x\n".encode("utf-16"), ["UTF-8"]),
    ],
    ids=str,
)
def test_a_file_with_a_fault_is_refused_by_name_and_line(tmp_path, text, words):
    said = complaint(tmp_path / "mine.yaml", text)
    for word in words:
        assert word in said


def test_all_faults_of_all_files_are_listed_a_line_each(tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("a: 1\na: 2\nb: 3\nb: 4\n")
    two.write_text("c: 1\nc: 2\n")
    with pytest.raises(ConfigError) as refused:
        check_files([one, two, one])
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n",  # a key beside the one it takes over
        "a: {b: 1}\nc: {b: 1}\n",
        '{\n\t"a": 1\n}',
        "size: '010'\ntime: '1:30'\nnone: 0\nlong: 1_000\n",
        "\ufeffa: 1\n",
        "a: &x\n  b: *x\n",
    ],
    ids=str,
)  # fmt: skip
def test_what_is_unambiguous_is_left_alone(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    check_files([path, tmp_path / "not-there.yaml"])


def test_a_key_twice_on_the_command_line_is_refused():
    check_texts(["study=a", "patches={size: 24}", "release={description: 'x: y'}", "levels=[inf, eps-5]"])
    for entries in (["study=a", "seed=1", "study=b"], ["patches={size: 24, size: 48}"]):
        with pytest.raises(ConfigError, match=r"--config.*twice.*Remedy"):
            check_texts(entries)


def test_profiles_and_keys_of_a_call_are_found(tmp_path, monkeypatch):
    for name in ("profiles/default", "profiles/own", "else"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("cores: 1\n")
    (tmp_path / "else/other.yaml").write_text("")
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.chdir(tmp_path / "there")

    def found(*arguments):
        files, entries = read_arguments(arguments, workflow=tmp_path)
        return [path.relative_to(tmp_path).parts[-2] for path in files], entries

    assert found("-n", "all") == (["default"], [])
    assert found("--profile", str(tmp_path / "else"), "-n") == (["else", "default"], [])
    assert found("--profile", "else") == (["else", "default"], [])
    assert found("--workflow-profile=own", "--config", "a=1", "b={c: 2}", "--cores", "1") == (
        ["own"],
        ["a=1", "b={c: 2}"],
    )
    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(Path(tmp_path, "else", "config.yaml")))
    assert found("-n") == (["else", "default"], [])
