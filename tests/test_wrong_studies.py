"""Studies that are wrong, as a user meets them: each is answered before anything starts."""

from pathlib import Path

import pytest
from wrong_inputs import STUDY, holds, tuned

LONG = "9" * 400


def replaced(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new, 1)


FILES = [
    pytest.param("method = selfmi", ("is not TOML", "line 1, column 10"), id="not TOML"),
    pytest.param(b"method = '\xff'", ("cannot be read: not text in UTF-8",), id="not UTF-8"),
    pytest.param(STUDY.encode("utf-16"), ("not text in UTF-8",), id="UTF-16"),
    pytest.param("seed = 1\nseed = 2", ("Cannot overwrite a value",), id="a repeated key"),
    pytest.param("seed = '\0'", ("Found invalid character",), id="a NUL"),
    pytest.param("", ("method: is missing", 'Add method = "selfmi"'), id="an empty file"),
    pytest.param(
        replaced("[budget]", "[bugdet]"),
        ("bugdet: unknown key", "Did you mean 'budget'?"),
        id="a misspelt table",
    ),
    pytest.param(
        replaced("[budget]\ntrials     = 60\nmax_epochs = 27", ""),
        ("[budget]: is missing",),
        id="no budget",
    ),
    pytest.param("x = " + "[" * 20000, ("nested too deeply",), id="lists in lists in lists"),
    pytest.param("x = " + "{a=" * 3000, ("nested too deeply",), id="tables in tables in tables"),
    pytest.param(
        "x." + "a." * 5000 + "b = 1", ("nested too deeply",), id="a key of thousands of words"
    ),
    pytest.param(
        "[" + "a." * 5000 + "b]", ("nested too deeply",), id="a header of thousands of words"
    ),
    pytest.param(
        replaced("trials     = 60", f"trials = {'9' * 5000}"),
        ("is not TOML", "value has 5000 digits"),
        id="an integer of thousands of digits",
    ),
    pytest.param(
        replaced("seed    = 0", f"seed = {LONG}"),
        ("seed: an integer has up to 64 bits, got 9999",),
        id="a seed of hundreds of digits",
    ),
    pytest.param(
        replaced("max_epochs = 27", f"max_epochs = {LONG}"),
        ("[budget] max_epochs: an integer has up to 64 bits",),
        id="epochs without end",
    ),
    pytest.param(
        replaced("seed    = 0", "seed = 1979-05-27"),
        ("seed: must be a valid integer, got", "1979-05-27"),
        id="a date as seed",
    ),
    pytest.param(
        replaced('fusion                = { kind = "concat" }', 'fusion = { kind = "conkat" }'),
        ('[published] fusion: no such arm, got kind = "conkat"', "Did you mean 'concat'?"),
        id="an arm that does not exist",
    ),
]


@pytest.mark.parametrize(("text", "words"), FILES)
def test_a_wrong_file_is_answered(
    tmp_path: Path, text: str | bytes, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    holds(tuned(tmp_path, "a.toml"), "a.toml", *words)


# Overrides of the study that is shipped.

OVERRIDES = [
    pytest.param("budget.trials", ("override is key=value", "budget.trials"), id="no value"),
    pytest.param("=3", ("dotted key", "=3"), id="no key"),
    pytest.param("a..b=3", ("dotted key", "a..b=3"), id="an empty word"),
    pytest.param("seed.root=1", ("seed is no table", "Shorten the key"), id="below a value"),
    pytest.param("budget.trails=3", ("trails (override)", "Did you mean 'trials'?"), id="a typo"),
    pytest.param("budget.trials=1e3", ("trials (override): must be", "1000.0"), id="a float"),
    pytest.param("budget.trials=0", ("trials (override): must be", "got 0"), id="no trial"),
    pytest.param("budget.gpu_hours=nan", ("gpu_hours", "got NaN"), id="hours that are no number"),
    pytest.param("method=selfmii", ("Did you mean 'selfmi'?",), id="a method that is not there"),
    pytest.param("method=absent.py", ("there is no file", "absent.py"), id="a file of no method"),
    pytest.param(
        "method=~no-such/m.py", ("there is no file", "~no-such/m.py"), id="a home of nobody"
    ),
    pytest.param(
        "dataset=mosei", ("dataset 'mosei'", "comes from the MMSA project"), id="data of others"
    ),
    pytest.param(
        "dataset=msi",
        ("no dataset is called 'msi'", "Did you mean 'mosi'?"),
        id="a dataset that is not there",
    ),
    pytest.param("dataset=../x", ("no dataset is called '../x'",), id="a dataset elsewhere"),
    pytest.param("data=~no-such/x", ("is bundled", "~no-such/x"), id="a folder for bundled data"),
    pytest.param(
        "objective.metric=test/mae", ("out of reach of a search", "test/mae"), id="the test split"
    ),
    pytest.param(
        "objective.metric=valid/f1", ("no such metric, got 'valid/f1'",), id="another metric"
    ),
    pytest.param("scheduler.first_rung=27", ("less than [budget] max_epochs = 27",), id="no rung"),
    pytest.param("scheduler.kind=none", ("has no effect, got 9",), id="a setting without effect"),
    pytest.param("space={}", ("an empty space leaves nothing to search",), id="an empty space"),
    pytest.param(
        "space.batch_size={choice=[4,8]}", ("32 lies outside the space",), id="published outside"
    ),
    pytest.param(
        f"space.batch_size={{int_uniform=[1,{LONG}]}}", ("up to 64 bits",), id="a range to nowhere"
    ),
    pytest.param(
        "space.learning_rate_other={log_uniform=[1e-6,inf]}",
        ("log_uniform needs [low, high], two numbers, got", "Infinity"),
        id="a range to infinity",
    ),
    pytest.param(
        "space.learning_rate_other={log_uniform=[0,1e-3]}", ("low > 0",), id="a log range from 0"
    ),
    pytest.param(
        "space.fusion={concat={},sum={rank={choice=[1,2]}}}",
        ("fusion.sum.rank (override): no such field to search",),
        id="a parameter of another arm",
    ),
    pytest.param(
        "published.weight_decay_other=inf",
        ("weight_decay_other (override): must be a finite number",),
        id="an infinite weight decay",
    ),
    pytest.param(
        "published.patience=true", ("must be a valid integer, got true",), id="true as a number"
    ),
    pytest.param(
        'published.text_backbone={kind="frozen",model="/absent"}',
        ("text_backbone: mosei922 has no raw text",),
        id="raw data that is absent",
    ),
    pytest.param(
        "deepspeed.zero_optimization.stage=9", ("stage: must be 0, 1, 2", "got 9"), id="a stage"
    ),
    pytest.param("deepspeed.bf16=1", ("bf16: expected a table, got 1",), id="a table of DeepSpeed"),
    pytest.param(
        "deepspeed.optimizer={}", ("mmsearch sets this itself, got {}",), id="another optimiser"
    ),
    pytest.param(
        "deepspeed.fp16={enabled=true}", ("fp16: half precision needs ZeRO",), id="half precision"
    ),
    pytest.param(
        "resources={workers=2,gpus_per_worker=0.5}",
        ("2 workers of one trial cannot share a GPU, got 0.5",),
        id="half a GPU for each of two workers",
    ),
]


@pytest.mark.parametrize(("override", "words"), OVERRIDES)
def test_a_wrong_override_is_answered(
    tmp_path: Path, override: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMSEARCH_DATA", raising=False)
    holds(tuned(tmp_path, "selfmi", "--set", override), *words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("selfmii", ("no file and no study of this name", "Did you mean 'selfmi'?")),
        ("~no-such/a.toml", ("no file and no study",)),
        ("/etc", ("no file and no study", "Known: baseline")),
        ("x" * 300, ("xxx", "file name too long", "Give a path or a name")),
        ("", ("no file and no study",)),
    ],
    ids=["a typo", "a home of nobody", "a folder", "a long name", "no name"],
)
def test_a_study_that_is_not_there_is_answered(
    tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    holds(tuned(tmp_path, name), *words)


METHODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "broken": ("def", ("a.py cannot be imported: SyntaxError",)),
    "raising": ("1 / 0", ("ZeroDivisionError", "in line 1", "Mend the file")),
    "empty": ("", ("must define one subclass", "got none")),
}


@pytest.mark.parametrize(("code", "words"), METHODS.values(), ids=METHODS)
def test_a_file_that_is_no_method_is_answered(
    tmp_path: Path, code: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.py").write_text(code)
    holds(tuned(tmp_path, "selfmi", "--set", "method=a.py"), *words)
