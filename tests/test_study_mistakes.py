"""The mistakes of study files: each is told with place, rule, value and way out, all at once."""

from typing import Any

import pytest
from toy_schema import STUDY, schema_of

from mmsearch import study as studies
from mmsearch.errors import StudyError


def refused(text: str = STUDY, overrides: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(StudyError, match=r"a\.toml") as caught:
        studies.loads(text, place="a.toml", schema_of=schema_of, overrides=overrides)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param(
            {"budget.trials": 0},
            "a.toml [budget] trials (override): must be greater than or equal to 1, got 0. "
            "Trials are counted with the published one.",
            id="a value",
        ),
        pytest.param(
            {"budget.trails": 5},
            "a.toml [budget] trails (override): unknown key, got 5. Did you mean 'trials'?",
            id="a key",
        ),
        pytest.param(
            {"space.fusion.low_rank": {"rank": {"uniform": [1, 2]}}},
            "a.toml [space] fusion.low_rank.rank (override): uniform does not suit a field that "
            "is an integer, got uniform = [1, 2]. Use int_uniform or int_log_uniform or choice.",
            id="a table above the mistake",
        ),
        pytest.param(
            {"seed.root": 1},
            "a.toml override seed.root: seed is no table, got seed.root = 1. Shorten the key.",
            id="below a value",
        ),
        pytest.param(
            {"seed": -1},
            "a.toml seed (override): must be greater than or equal to 0, got -1. "
            "The seed is the root of every random stream. Default: 0.",
            id="above all tables",
        ),
    ],
)
def test_a_mistake_in_an_override_says_that_it_is_one(
    overrides: dict[str, Any], message: str
) -> None:
    text = f"seed = 1\n{STUDY}" if "seed.root" in overrides else STUDY
    assert refused(text, overrides) == [message]


# Wrong files: one mistake each, made by replacing a piece of the right one.

WRONG = [
    pytest.param(
        ('method  = "toy"', ""),
        'method: is missing. Add method = "selfmi". '
        "The method is a file's name in mmsearch/methods.",
        id="no method",
    ),
    pytest.param(
        ('"toy"', '"tyo"'),
        "method: no method is called 'tyo'. Did you mean 'toy'?",
        id="an unknown method",
    ),
    pytest.param(
        ('"toy"', "3"),
        "method: must be a valid string, got 3. The method is a file's name in mmsearch/methods.",
        id="a method that is no text",
    ),
    pytest.param(
        ("method ", "seed = 1.5\nmethod "),
        "seed: must be a valid integer, got 1.5. "
        "The seed is the root of every random stream. Default: 0.",
        id="a fraction as seed",
    ),
    pytest.param(
        ("method ", "sede = 1\nmethod "),
        "sede: unknown key, got 1. Did you mean 'seed'?",
        id="a misspelt key",
    ),
    pytest.param(
        ("[budget]", "[samplr]\n[budget]"),
        "samplr: unknown key, got {}. Did you mean 'sampler'?",
        id="a misspelt table",
    ),
    pytest.param(
        ("method ", "resources = 2\nmethod "),
        "[resources]: must be a table, got 2. "
        "The table says what a trial is trained on. "
        'Default: {"workers": 1, "placement": "pack"}.',
        id="a value for a table",
    ),
    pytest.param(
        ("valid/mae", "test/mae"),
        '[objective] metric: the test split is out of reach of a search, got "test/mae". '
        "Use a metric of the validation split, such as valid/mae.",
        id="the test split",
    ),
    pytest.param(
        ("valid/mae", "train/loss"),
        '[objective] metric: must be valid/<metric>, got "train/loss". '
        "Use a metric of the validation split, such as valid/mae.",
        id="a metric of train",
    ),
    pytest.param(
        ('"valid/mae"', '["valid/mae", "valid/corr"]'),
        '[objective] metric: must be a valid string, got ["valid/mae", "valid/corr"]. '
        "Use a metric of the validation split, such as valid/mae.",
        id="several metrics",
    ),
    pytest.param(
        ('"minimize"', '"minimise"'),
        "[objective] direction: must be 'minimize' or 'maximize', got \"minimise\". "
        "Did you mean 'minimize'?",
        id="a direction",
    ),
    pytest.param(
        ('direction = "minimize"', ""),
        '[objective] direction: is missing. Add direction = "minimize". '
        "Say whether lower or higher is better.",
        id="no direction",
    ),
    pytest.param(
        ("direction ", 'epoch = "lst"\ndirection '),
        "[objective] epoch: must be 'best' or 'last', got \"lst\". Did you mean 'last'?",
        id="which epoch counts",
    ),
    pytest.param(
        ("[budget]\ntrials     = 20\nmax_epochs = 27", ""),
        "[budget]: is missing. Add [budget]. "
        "The table says what the study may spend: trials and max_epochs.",
        id="no budget",
    ),
    pytest.param(
        ("trials     = 20", ""),
        "[budget] trials: is missing. Add trials = 200. Trials are counted with the published one.",
        id="no trials",
    ),
    pytest.param(
        ("= 20\n", "= true\n"),
        "[budget] trials: must be a valid integer, got true. "
        "Trials are counted with the published one.",
        id="trials that are no number",
    ),
    pytest.param(
        ("max_epochs = 27", "max_epochs = 0"),
        "[budget] max_epochs: must be greater than or equal to 1, got 0. "
        "A completed trial has trained for this many epochs.",
        id="no epochs",
    ),
    pytest.param(
        ("[budget]", "[budget]\ngpu_hours = inf"),
        "[budget] gpu_hours: must be a finite number, got Infinity. The study proposes nothing "
        "after this many GPU-hours; leave it out for no limit.",
        id="hours without end",
    ),
    pytest.param(
        ("[budget]", "[budget]\nepochs = 5"),
        "[budget] epochs: unknown key, got 5. Did you mean 'max_epochs'?",
        id="a misspelt key of a table",
    ),
    pytest.param(
        ("[published]", "[scheduler]\nfirst_rung = 27\n[published]"),
        "[scheduler] first_rung: must be less than [budget] max_epochs = 27, "
        "or no trial is compared, got 27. "
        'Lower it, or set scheduler = { kind = "none" }.',
        id="a rung that is never reached",
    ),
    pytest.param(
        ("[published]", '[scheduler]\nkind = "none"\nreduction = 2\n[published]'),
        '[scheduler] reduction: kind = "none" compares no trials, so reduction has no effect, '
        'got 2. Leave scheduler = { kind = "none" } alone, or set kind = "halving".',
        id="a setting without effect",
    ),
    pytest.param(
        ("[published]", "[scheduler]\nreduction = 1\n[published]"),
        "[scheduler] reduction: must be greater than or equal to 2, got 1. "
        "One in this many trials of a rung goes on. Default: 3.",
        id="a reduction that stops nobody",
    ),
    pytest.param(
        ("[published]", '[sampler]\nkind = "tpo"\n[published]'),
        "[sampler] kind: must be 'ladder', 'tpe', 'gp' or 'random', got \"tpo\". "
        "Did you mean 'tpe'?",
        id="a misspelt sampler",
    ),
    pytest.param(
        ("[published]", "[resources]\nworkers = 0\n[published]"),
        "[resources] workers: must be greater than or equal to 1, got 0. "
        "So many processes train one trial together. Default: 1.",
        id="no workers",
    ),
    pytest.param(
        ("[published]", "[resources]\nworkers = 2\ngpus_per_worker = 0.5\n[published]"),
        "[resources] gpus_per_worker: 2 workers of one trial cannot share a GPU, got 0.5. "
        "Use whole GPUs for trials of several workers, fractions for trials of one.",
        id="a part of a GPU for each of two workers",
    ),
    pytest.param(
        ("[published]", "[resources]\ngpus_per_worker = 1.5\n[published]"),
        "[resources] gpus_per_worker: a worker has a part of one GPU or whole ones, got 1.5. "
        "Use a number below 1, or a whole one.",
        id="a GPU and a half",
    ),
    pytest.param(
        ("[published]", '[resources]\nplacement = "packed"\n[published]'),
        "[resources] placement: must be 'pack' or 'spread', got \"packed\". Did you mean 'pack'?",
        id="a misspelt placement",
    ),
    pytest.param(
        ("trials     = 20", f"trials     = {10**30}"),
        f"[budget] trials: an integer has up to 64 bits, got {10**30}. Write a smaller number.",
        id="an integer that no reader must take",
    ),
    pytest.param(
        ("rate = 5e-5", "rte = 5e-5"),
        "[published] rte: unknown key, got 5e-05. Did you mean 'rate'?",
        id="a misspelt field of the method",
    ),
    pytest.param(
        ("rate = 5e-5", "rate = -5e-5"),
        "[published] rate: must be greater than 0, got -5e-05. "
        "Adam's learning rate. Default: 0.001.",
        id="beyond the field's bound",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nwidth = "32"'),
        '[published] width: must be a valid integer, got "32". Hidden width. Default: 32.',
        id="a value of another type",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nfusion = { kind = "lowrank" }'),
        "[published] fusion: no such arm, got kind = \"lowrank\". Did you mean 'low_rank'?",
        id="a misspelt arm",
    ),
    pytest.param(
        ("rate = 5e-5", "rate = 5e-5\nfusion = { rank = 4 }"),
        '[published] fusion: a branch needs the key kind, got {"rank": 4}. '
        "Arms: concat, low_rank, attention, stack.",
        id="an arm without its name",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nfusion = "concat"'),
        '[published] fusion: must be a table, got "concat". Default: {"kind": "concat"}.',
        id="an arm without its table",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nfusion = { kind = "low_rank", rnk = 4 }'),
        "[published] fusion.rnk: unknown key, got 4. Did you mean 'rank'?",
        id="a misspelt field of an arm",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nfusion = { kind = "low_rank", rank = 0 }'),
        "[published] fusion.rank: must be greater than or equal to 1, got 0. "
        "Terms of the factorisation. Default: 8.",
        id="beyond the bound of an arm's field",
    ),
    pytest.param(
        ("rate = 5e-5", 'rate = 5e-5\nfusion = { kind = "attention", heads = 3 }'),
        "[published] fusion: heads must divide width, got 3, 64. Choose values that go together.",
        id="values that clash",
    ),
    pytest.param(
        ("rate = 5e-5", "rate = 5e-2"),
        "[published] rate: 0.05 lies outside the space, log_uniform [1e-06, 0.001]. "
        "Widen [space] rate, or correct the value.",
        id="published outside the space",
    ),
    pytest.param(
        ("concat   = {}", ""),
        '[published] fusion: "concat" is no arm of the space, which has low_rank. '
        "Add concat to [space] fusion, or correct the value.",
        id="a published default outside the space",
    ),
    pytest.param(
        ("rate = { log_uniform = [1e-6, 1e-3] }", "rate = { log_uniform = [0.0, 1e-3] }"),
        "[space] rate: log_uniform needs low > 0, got low=0.0. "
        "Use uniform for ranges that touch zero.",
        id="a log range from zero",
    ),
    pytest.param(
        ("[space.fusion]", "[space.fusoin]"),
        "[space] fusoin: no such field to search, got "
        '{"concat": {}, "low_rank": {"rank": {"int_uniform": [2, 16]}}}. '
        "Did you mean 'fusion'?",
        id="a misspelt branch",
    ),
    pytest.param(
        (STUDY[STUDY.index("[space]") :], "[space]"),
        "[space]: an empty space leaves nothing to search, got {}. "
        "Give at least one parameter a distribution.",
        id="an empty space",
    ),
    pytest.param(
        (STUDY[STUDY.index("[space]") :], ""),
        "[space]: is missing. Add [space]. The table says which values each parameter may take.",
        id="no space",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_file_says_place_rule_value_and_way_out(
    change: tuple[str, str], message: str
) -> None:
    assert change[0] in STUDY
    (found,) = refused(STUDY.replace(*change, 1))
    assert found == f"a.toml {message}"


def test_all_mistakes_of_a_file_come_together() -> None:
    text = (
        STUDY.replace("= 20", "= 0")
        .replace("valid/mae", "test/mae")
        .replace("5e-5", "5")
        .replace("low_rank", "lowrank")
        .replace("[published]", "[scheduler]\nfirst_rung = 50\n[published]")
        + "\n[deepsped]\n"
    )
    places = [message.split(": ")[0].removeprefix("a.toml ") for message in refused(text)]
    assert places == [
        "[objective] metric",
        "[budget] trials",
        "deepsped",
        "[scheduler] first_rung",
        "[published] rate",
        "[space] fusion.lowrank",
    ]


def test_what_is_not_toml_says_where() -> None:
    (message,) = refused("method = toy")
    assert message == (
        "a.toml: is not TOML: Invalid value (at line 1, column 10). See search_spaces/README.md."
    )


def test_a_repeated_key_is_a_mistake() -> None:
    (message,) = refused("seed = 1\nseed = 2\n")
    assert message.startswith("a.toml: is not TOML: Cannot overwrite a value (at line 2, column 9)")
