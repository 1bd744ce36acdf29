from __future__ import annotations

import io
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emotion_tfx import cli
from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import newest_version, shipped_base

from .command import Ended, environment
from .conftest import SampleRun

COMMANDS = ("train", "tune", "run", "serve", "app", "feedback", "predict", "evaluate")
GOOD = "text,label\n" + "".join(
    f"{name} text number {number},{name}\n" for name in LABELS for number in range(12)
)


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """A run sends the log to its file; the tests' own handlers come back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs ``emotion`` in this process, in an empty folder, without settings and offline."""
    for name in os.environ:
        if name.startswith("EMOTION_"):
            monkeypatch.delenv(name)
    for name, value in environment({"EMOTION_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["emotion", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        said = capsys.readouterr()
        return Ended(int(exit_.value.code or 0), said.out, said.err)

    return run


def test_help_needs_neither_tensorflow_nor_tfx():
    script = (
        "import sys; from emotion_tfx.cli import main; sys.argv = ['emotion', '--help']\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'tfx', 'keras', 'numpy'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip().endswith("[]")


def test_help_names_every_command(run_here: Callable[..., Ended]):
    ended = run_here("--help")
    assert ended.code == 0
    assert all(command in ended.output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run_here: Callable[..., Ended], command: str):
    ended = run_here(command, "--help")
    assert ended.code == 0
    assert command in ended.output


def replaced(line: int, by: str) -> bytes:
    lines = GOOD.splitlines()
    lines[line - 1] = by
    return ("\n".join(lines) + "\n").encode()


BAD_FILES = {
    "empty file": (b"", "is empty"),
    "only a header": (b"text,label\n", "no row with a text"),
    "missing column": (b"tekst,label\nhello,joy\n", "line 1: there is no column 'text'"),
    "unknown label": (replaced(5, "hello,bliss"), "line 5: the label 'bliss' is unknown"),
    "number that is no label": (replaced(7, "hello,6"), "line 7: the label '6' is unknown"),
    "too many fields": (replaced(9, "one, two,joy"), "line 9: the row has 3 fields"),
    "open quote": (replaced(9, '"hello,joy'), "line 9"),
    "class with no rows": (
        "".join(line for line in GOOD.splitlines(True) if ",fear" not in line).encode(),
        "fear",
    ),
    "latin-1": (replaced(4, "ich bin müde,sadness").decode().encode("latin-1"), "line 4"),
    "utf-16": (GOOD.encode("utf-16"), "UTF-16"),
    "NUL bytes": (replaced(6, "hel\0lo,joy"), "line 6: the line holds a NUL byte"),
    "line of 5 MB": (replaced(8, "x" * 5_000_000 + ",joy"), "line 8"),
    "no CSV at all": (bytes(range(256)) * 10, "is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_data_end_training_in_one_message(
    run_here: Callable[..., Ended], tmp_path: Path, case: str
):
    content, told = BAD_FILES[case]
    data = tmp_path / "my data.csv"
    data.write_bytes(content)
    ended = run_here("train", "--data", data, "--output", tmp_path / "output")
    assert_refused(ended, data, told)
    assert not (tmp_path / "output" / "serving_model").exists()


def assert_refused(ended: Ended, path: Path, told: str) -> None:
    assert ended.code == 2
    assert ended.errors.startswith("error: ")
    assert str(path) in ended.errors
    assert told in ended.errors
    assert len(ended.errors.strip().splitlines()) == 1
    assert "Traceback" not in ended.output + ended.errors


def test_a_missing_file_ends_training_in_one_message(
    run_here: Callable[..., Ended], tmp_path: Path
):
    missing = tmp_path / "missing.csv"
    assert_refused(run_here("train", "--data", missing), missing, "no such file")


def test_a_folder_without_csv_ends_training_in_one_message(
    run_here: Callable[..., Ended], tmp_path: Path
):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("text,label\n")
    assert_refused(run_here("train", "--data", folder), folder, "no CSV file")


@pytest.mark.parametrize("value", ["missing.csv", "missing.csv=0.5"])
def test_a_missing_extra_source_ends_training_in_one_message(
    run_here: Callable[..., Ended], tmp_path: Path, value: str
):
    data = tmp_path / "good.csv"
    data.write_text(GOOD)
    ended = run_here("train", "--data", data, "--extra", value)
    assert_refused(ended, Path("missing.csv"), "no such file")


def test_bad_data_are_found_before_tensorflow_is_loaded(tmp_path: Path):
    script = (
        "import sys; from emotion_tfx.cli import main\n"
        "sys.argv = ['emotion', 'train', '--data', 'empty.csv']\n"
        "try: main()\n"
        "finally: print(sorted({'tensorflow', 'tfx'} & set(sys.modules)))"
    )
    (tmp_path / "empty.csv").touch()
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout.strip() == "[]"


def test_a_wrong_setting_ends_in_one_message(
    run_here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EMOTION_MIN_ACCURACY", "high")
    ended = run_here("train")
    assert ended.code == 2
    assert ended.errors.startswith("error: ")
    assert "EMOTION_MIN_ACCURACY" in ended.errors


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_folder_without_a_model_ends_in_one_message(
    run_here: Callable[..., Ended], tmp_path: Path, command: str
):
    arguments = ["i feel fine"] if command == "predict" else ["--data", "any.csv"]
    ended = run_here(command, *arguments, "--model", tmp_path)
    assert_refused(ended, tmp_path, "no model")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give --data FILE.csv with labelled texts, or --behaviour"),
        (("--behaviour", "--data", "some.csv"), "two measurements"),
        (("--record", "--data", "some.csv"), "Add --behaviour"),
    ],
)
def test_evaluation_is_told_what_to_measure_on(
    run_here: Callable[..., Ended], arguments: tuple[str, ...], told: str
):
    ended = run_here("evaluate", *arguments)
    assert ended.code == 2
    assert told in ended.errors


def test_the_behaviour_of_any_model_is_shown_without_data_and_kept_on_demand(
    run_here: Callable[..., Ended], sample_run: SampleRun, tmp_path: Path
):
    model = tmp_path / "7"
    shutil.copytree(sample_run.model, model)
    record, card = model / "assets.extra" / "behaviour.json", model / "README.md"
    before = card.read_text(encoding="utf-8")
    record.unlink()
    ended = run_here("evaluate", "--behaviour", "--model", model)
    assert ended.code == 0
    assert "negation" in ended.output
    assert not record.exists()

    ended = run_here("evaluate", "--behaviour", "--record", "--json", "--model", model)
    assert ended.code == 0
    assert json.loads(ended.output) == json.loads(record.read_text(encoding="utf-8"))
    assert str(record) in ended.errors
    assert card.read_text(encoding="utf-8") == before


def test_predicting_a_file_needs_a_place_for_the_answers(run_here: Callable[..., Ended]):
    ended = run_here("predict", "--input", "in.csv")
    assert ended.code == 2
    assert "--output" in ended.errors


def test_the_default_model_is_the_shipped_one_though_the_sample_was_trained(
    run_here: Callable[..., Ended], sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EMOTION_OUTPUT", str(sample_run.output))
    if newest_version(shipped_base()) is None:
        pytest.skip("no model is shipped with this checkout")
    ended = run_here("predict", "i feel so happy today", "--json")
    assert ended.code == 0
    assert (
        ended.output
        == run_here("predict", "i feel so happy today", "--json", "--model", shipped_base()).output
    )


def test_a_text_is_answered_with_all_probabilities(
    run_here: Callable[..., Ended], sample_run: SampleRun
):
    ended = run_here("predict", "i feel so happy today", "--model", sample_run.model)
    assert ended.code == 0
    assert ended.output.split()[0] in LABELS
    assert all(name in ended.output for name in LABELS)


def give_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_answered_line_by_line(
    run_here: Callable[..., Ended], sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch
):
    give_input(monkeypatch, "i feel so happy\n\nça suffit\n".encode())
    ended = run_here("predict", "--json", "--model", sample_run.model)
    assert ended.code == 0
    texts = [json.loads(line)["text"] for line in ended.output.splitlines()]
    assert texts == ["i feel so happy", "", "ça suffit"]


def test_standard_input_that_is_not_utf_8_is_told(
    run_here: Callable[..., Ended], sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch
):
    give_input(monkeypatch, "fine\nmüde\n".encode("latin-1"))
    ended = run_here("predict", "--model", sample_run.model)
    assert ended.code == 2
    assert "Line 2 of the input is not UTF-8" in ended.errors


def test_the_web_app_tells_what_it_cannot_start_with(run_here: Callable[..., Ended]):
    ended = run_here("app", "--server", "localhost:8501")
    assert (ended.code, ended.output) == (2, "")
    assert "http://127.0.0.1:8501" in ended.errors
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run_here("app", "--port", taken.getsockname()[1])
    assert ended.code == 2
    assert "choose another with --port" in ended.errors
    assert run_here("app", "--port", "70000").code == 2
