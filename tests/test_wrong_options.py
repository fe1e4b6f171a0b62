"""Options and storages that are wrong, as a user meets them: answered before anything starts."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from wrong_inputs import STUDY, Make, answered, holds, nothing, snapshot, tuned

from mmsearch import cli, methods, sampling
from mmsearch import study as studies
from mmsearch.sampling.lock import only_driver

JOURNAL, SQLITE = "studies/selfmi/study.journal", "study.db"
Spoil = Callable[[Path], object]


def record(folder: Path, *, url: str | None = None) -> Path:
    """A study with two trials on record, where the command looks for it."""
    journal = folder / JOURNAL
    study = studies.loads(STUDY, place="selfmi.toml", schema_of=methods.schema_of)
    facts = {"fingerprints": {"data": "another"}, "overrides": {}}
    storage = url or f"journal://{journal}"
    with sampling.open_ledger(storage, study, provenance=facts, resume=False) as ledger:
        ledger.propose()
        ledger.propose()
    return journal


def spoiled(spoil: Spoil) -> Make:
    """A record of which something is changed."""
    return lambda folder: spoil(record(folder))


def a_line(number: int, text: str) -> Spoil:
    def spoil(journal: Path) -> None:
        lines = journal.read_text().splitlines()
        lines[number] = text
        journal.write_text("\n".join(lines) + "\n")

    return spoil


def attribute(key: str, value: object) -> Spoil:
    """An attribute of the study gets another value."""

    def spoil(journal: Path) -> None:
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        for line in lines:
            if key in line.get("user_attr", {}):
                line["user_attr"][key] = value
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines))

    return spoil


def database(folder: Path) -> None:
    """A database that is not Optuna's."""
    with sqlite3.connect(folder / SQLITE) as connection:
        connection.execute("create table studies (name text)")
    connection.close()


def of_optuna(folder: Path) -> None:
    """A study of the same name that Optuna's own optimisation wrote."""
    (folder / JOURNAL).parent.mkdir(parents=True)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.create_study(study_name="selfmi", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)


def a_file(name: str, content: bytes = b"hello\n") -> Make:
    return lambda folder: (folder / name).write_bytes(content)


def a_folder(name: str) -> Make:
    return lambda folder: (folder / name).mkdir()


OPTIONS = [
    pytest.param("--workers=0", ("workers (override)", "got 0"), id="no workers"),
    pytest.param("--trials=-3", ("trials (override)", "got -3"), id="fewer than no trials"),
    pytest.param(f"--trials={10**30}", ("trials (override): an integer",), id="endless trials"),
    pytest.param("--max-epochs=0", ("max_epochs (override)", "got 0"), id="no epochs"),
    pytest.param("--max-gpu-hours=0", ("gpu_hours (override)", "got 0.0"), id="no GPU-hours"),
    pytest.param("--gpus-per-worker=-1", ("gpus_per_worker (override)", "-1.0"), id="minus a GPU"),
    pytest.param("--concurrent=0", ("concurrent (override)", "got 0"), id="none at a time"),
    pytest.param("--seed=-1", ("seed (override)", "got -1"), id="a negative seed"),
    pytest.param("--deadline=yesterday", ("--deadline", "'yesterday'"), id="no deadline"),
    pytest.param("--deadline=2001-01-01", ("to come, got '2001-01-01'",), id="a deadline gone by"),
    pytest.param("--deadline=", ("--deadline", "got ''"), id="an empty deadline"),
    pytest.param("--deadline=infd", ("--deadline", "'infd'"), id="a deadline that never comes"),
    pytest.param("--name=a/b", ("--name", "got 'a/b'"), id="a name with a slash"),
    pytest.param("--name=", ("--name", "got ''"), id="an empty name"),
    pytest.param(f"--name={'x' * 300}", ("--name", "1 to 255 bytes"), id="a name of 300 bytes"),
    pytest.param("--data=nowhere", ("a folder has no effect", "nowhere"), id="bundled, with data"),
    pytest.param("--resume", ("no record here", "without --resume"), id="nothing to resume"),
    pytest.param("--storage=", ("--storage: not the URL", "got ''"), id="an empty storage"),
    pytest.param("--storage=a.db", ("not the URL", "'a.db'", "Write journal:"), id="no URL"),
    pytest.param(
        "--storage=foo://bar",
        ("foo://bar: ", "PostgreSQL alone", "Write journal:"),
        id="another scheme",
    ),
    pytest.param(
        "--storage=sqlite:///a.db?timeout=long",
        ("--storage: not the URL", "could not convert string to float"),
        id="a wrong parameter of a URL",
    ),
    pytest.param(
        "--storage=postgresql://me:secret@127.0.0.1:port/a", ("'port'",), id="a port in words"
    ),
    pytest.param("--address=", ("--address", "got ''", "ray start --head"), id="an empty address"),
    pytest.param("--address=nowhere", ("--address", "got 'nowhere'"), id="an address of nothing"),
    pytest.param(
        "--address=127.0.0.1:65535", ("--address", "refused"), id="an address without Ray"
    ),
]


@pytest.mark.parametrize(("option", "words"), OPTIONS)
def test_a_wrong_option_is_answered(tmp_path: Path, option: str, words: tuple[str, ...]) -> None:
    answer = tuned(tmp_path, "selfmi", option)
    holds(answer, *words)
    assert "secret" not in "".join(answer)


RECORDS = [
    pytest.param(record, (), ("the data is not what",), id="on record already"),
    pytest.param(record, ("--resume", "--seed=7"), ("seed: 0 on record, 7 asked for",), id="seed"),
    pytest.param(
        record, ("--resume", "--trials=1"), ("2 are on record, 1 asked for",), id="fewer trials"
    ),
    pytest.param(
        record,
        ("--resume", "--name=other"),
        ("other/study.journal: no record here",),
        id="another name",
    ),
    pytest.param(
        spoiled(a_line(2, "{")), ("--resume",), ("line 3 is damaged",), id="a damaged line"
    ),
    pytest.param(
        spoiled(a_line(2, "[" * 20000)),
        ("--resume",),
        ("cannot be read", "recursion depth"),
        id="a line of lists in lists",
    ),
    pytest.param(
        spoiled(a_line(2, "{}")), ("--resume",), ("cannot be replayed",), id="a line of nothing"
    ),
    pytest.param(
        spoiled(attribute("mmsearch_schema", 99)),
        ("--resume",),
        ("schema version 99", "Use the version of mmsearch that wrote it"),
        id="another schema",
    ),
    pytest.param(
        spoiled(attribute("text", 3)),
        ("--resume",),
        ("study 'selfmi' is damaged", "Restore it from a copy"),
        id="a header of numbers",
    ),
    pytest.param(
        spoiled(attribute("text", "seed = 1")),
        ("--resume",),
        ("study 'selfmi' is damaged", "Restore it from a copy"),
        id="another text",
    ),
    pytest.param(
        spoiled(attribute("provenance", None)),
        ("--resume",),
        ("study 'selfmi' is damaged", "Restore it from a copy"),
        id="no provenance",
    ),
    pytest.param(
        record, ("--resume",), ("the data is not what the study was started on",), id="other data"
    ),
    pytest.param(of_optuna, (), ("was not written by mmsearch", "--name"), id="Optuna's own"),
    pytest.param(of_optuna, ("--resume",), ("was not written by mmsearch",), id="resumed Optuna"),
    pytest.param(
        database,
        (f"--storage=sqlite:///{SQLITE}",),
        (SQLITE, "another program's"),
        id="another database",
    ),
    pytest.param(
        a_file(SQLITE), (f"--storage=sqlite:///{SQLITE}",), ("not a database",), id="no database"
    ),
    pytest.param(
        a_folder("a"), ("--storage=sqlite:///a",), ("must be a file",), id="a folder for a database"
    ),
    pytest.param(
        a_file("a.txt"), ("--storage=journal://a.txt",), ("no Optuna journal",), id="no journal"
    ),
    pytest.param(
        a_folder("a"), ("--storage=journal://a",), ("must be a file",), id="a folder for a journal"
    ),
    pytest.param(a_file("a"), ("--out=a",), ("a is no folder", "--out"), id="out on a file"),
]


@pytest.mark.parametrize(("make", "options", "words"), RECORDS)
def test_a_record_that_is_wrong_is_answered_and_left_as_it_is(
    tmp_path: Path, make: Make, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    make(tmp_path)
    holds(tuned(tmp_path, "selfmi", *options), *words)


def test_a_record_that_is_driven_has_no_second_driver(tmp_path: Path) -> None:
    with only_driver(record(tmp_path)):
        holds(tuned(tmp_path, "selfmi", "--resume"), "another driver is at work")


# What typer says of an option that it cannot read at all.


@pytest.mark.parametrize("option", ["--trials=many", "--no-such-option", "--gpus-per-worker=one"])
def test_an_option_that_cannot_be_read_is_named(tmp_path: Path, option: str) -> None:
    answer = "\n".join(tuned(tmp_path, "selfmi", option))
    assert option.partition("=")[0] in answer
    assert "--help" in answer


def test_the_console_script_answers_alike(tmp_path: Path) -> None:
    holds(answered(cli.app, tmp_path, "tune", "selfmii"), "Did you mean 'selfmi'?")
    holds(answered(cli.app, tmp_path, "data", "msi"), "Did you mean 'mosi'?")


# As processes of their own.


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmsearch.tune", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("selfmii",), "Did you mean 'selfmi'?"),
        (("selfmi", "--address", "127.0.0.1:65535"), "no Ray cluster answers"),
        (("selfmi", "--set", "published.batch_size=0"), "batch_size (override)"),
    ],
    ids=["a study", "an address", "a value"],
)
def test_a_process_ends_with_2_and_no_traceback(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    done = run(tmp_path, *options)
    assert done.returncode == 2, done.stderr
    holds(done.stderr.splitlines(), words)
    assert not list(tmp_path.iterdir())


# Somebody else than root, whom rights bind.


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody may read, and nobody but root may write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def somebody_else() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


RIGHTS = [
    pytest.param(nothing, ("selfmi",), ("cannot be written", "--out"), id="the folder of studies"),
    pytest.param(
        lambda folder: record(folder).chmod(0o600),
        ("selfmi", "--resume"),
        ("study.journal", "ermission denied", "Ask its owner"),
        id="the record",
    ),
    pytest.param(
        lambda folder: (folder / "a.toml").touch(0o600),
        ("a.toml",),
        ("a.toml: cannot be read: Permission denied",),
        id="the study",
    ),
]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
@pytest.mark.parametrize(("make", "options", "words"), RIGHTS)
def test_what_a_user_has_no_right_to_is_answered(
    readable: Path, make: Make, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    make(readable)
    tuned(readable, "selfmi", "--address=")  # imports all that somebody else may not read
    before = snapshot(readable)
    with somebody_else():
        answer = tuned(readable, *options)
    holds(answer, *words)
    assert snapshot(readable) == before


# What only the machines can tell.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", "4096"), ("asks for 4096 workers", "got room for")),
        (("--gpus-per-worker", "64"), ("64 GPUs each", "got room for")),
    ],
    ids=["workers", "GPUs"],
)
def test_what_the_machines_cannot_hold_is_answered_and_not_begun(
    tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = snapshot(tmp_path)
    done = run(tmp_path, "selfmi", *options)
    assert done.returncode == 2, done.stderr
    holds(done.stderr.splitlines(), *words)
    assert snapshot(tmp_path) == before
