"""Commands, exit codes, and what somebody reads who made a mistake."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import bench.cli
from bench.cli import app
from bench.errors import DataError, StoreError
from bench.experiments import PRESETS, Experiment, load_experiment, to_json
from tests.examples import empty_run, stored_run

COMMANDS = [
    [],
    ["run"],
    ["report"],
    ["data"],
    ["data", "audit"],
    ["data", "sample"],
    ["data", "split"],
    ["score"],
    ["doctor"],
    ["list"],
]
SPACE = "space: {architecture: [plain_unet]}\n"


def ask(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def mistake(*words: object) -> str:
    """What a mistake is answered with: one line on stderr, exit code 2."""
    result = ask(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").rstrip()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and a terminal that is wide enough for one line a sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def runner(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands for bench.run: remembers the call; `answer` is what a run does."""
    stub = SimpleNamespace(answer=lambda: Path("reports/x/leaderboard.md"), asked=None)

    def run_experiment(experiment: Experiment, **rest: Any) -> Path:
        stub.asked = SimpleNamespace(experiment=experiment, **rest)
        return stub.answer()

    stub.run_experiment = run_experiment
    monkeypatch.setitem(sys.modules, "bench.run", stub)
    monkeypatch.setattr(bench.cli, "_require_tensorflow", lambda: None)
    (elsewhere / "my.yaml").write_text(SPACE)
    return stub


def raising(error: BaseException) -> Callable[[], Path]:
    def answer() -> Path:
        raise error

    return answer


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_is_there_for_every_command(command: list[str]) -> None:
    result = ask(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


@pytest.mark.parametrize("command", [[], ["run"], ["report"], ["data", "split"], ["score"], ["doctor"]], ids=" ".join)
def test_help_teaches_with_examples_one_a_line(command: list[str], elsewhere: Path) -> None:
    lines = [line.strip() for line in ask(*command, "--help").stdout.splitlines()]
    assert "Examples" in lines
    assert sum(line.startswith("python -m bench ") for line in lines) >= 2


def test_help_of_run_names_the_preset_for_own_data(elsewhere: Path) -> None:
    assert "with --data transfer" in " ".join(ask("run", "--help").stdout.split())


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['bench', 'run', '--help']\n"
        "from bench.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "slow = {'tensorflow', 'keras', 'keras_tuner', 'numpy', 'pandas', 'cv2', 'yaml'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_module_runs_from_the_shell() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("segbench ")


def test_mistake_from_the_shell_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "run", "defalt", "--results", str(tmp_path / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown experiment 'defalt'; choose from ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_unknown_option_is_exit_code_2() -> None:
    assert ask("run", "--nope").exit_code == 2


def test_run_hands_the_experiment_over_with_what_the_command_line_says(runner: SimpleNamespace) -> None:
    result = ask("run", "my.yaml", "--tuner", "grid", "--tuner", "random", "--trials", 3, "--seed", 7, "--name", "mine")
    assert result.stdout == "leaderboard: reports/x/leaderboard.md\n"
    experiment = runner.asked.experiment
    assert (experiment.name, experiment.tuners, experiment.trials, experiment.seeds) == (
        "mine",
        ("grid", "random"),
        3,
        (7,),
    )
    assert (runner.asked.results, runner.asked.reports) == (Path("results"), Path("reports"))
    assert runner.asked.resume is False


def test_run_without_a_name_is_the_default_experiment(runner: SimpleNamespace) -> None:
    ask("run")
    assert runner.asked.experiment == load_experiment("default")


@pytest.mark.skipif("transfer" not in PRESETS, reason="there is no such preset yet")
def test_run_on_own_data_starts_from_pretrained_models(runner: SimpleNamespace) -> None:
    ask("run", "--data", "photos", "--budget", "15m")
    experiment = runner.asked.experiment
    assert (experiment.name, experiment.data.path, experiment.budget_s) == ("transfer-photos", "photos", 900)
    assert experiment.space == load_experiment("transfer").space


def test_resume_by_name_goes_on_with_the_stored_experiment(runner: SimpleNamespace) -> None:
    stored = load_experiment("my.yaml").model_copy(update={"name": "quick", "trials": 5})
    store = empty_run(Path("results/quick"))
    store.write_experiment(to_json(stored))
    store.write_bytes("delivery.json", b"{}")
    assert ask("run", "--resume", "--name", "quick").exit_code == 0
    assert runner.asked.experiment == stored
    assert runner.asked.resume is True


def test_run_that_ends_without_a_model_has_an_exit_code_of_its_own(runner: SimpleNamespace) -> None:
    result = ask("run", "my.yaml", "--budget", "60s", "--name", "short")
    assert result.exit_code == 3
    assert "no model was delivered" in result.stderr
    assert "a larger --budget than 60s goes on with --resume" in result.stderr


def test_run_says_where_its_model_is_and_how_to_use_it(runner: SimpleNamespace) -> None:
    empty_run(Path("results/cars")).write_bytes("delivery.json", b"{}")
    result = ask("run", "my.yaml", "--name", "cars")
    assert result.exit_code == 0
    assert "model:       results/cars/model" in result.stdout
    assert "python -m bench predict cars PHOTOS -o masks" in result.stdout


@pytest.mark.parametrize("error", [DataError("a.png is\n  truncated"), StoreError("a.png is truncated")])
def test_mistake_that_a_run_finds_is_one_line(runner: SimpleNamespace, error: Exception) -> None:
    runner.answer = raising(error)
    assert mistake("run", "my.yaml") == "a.png is truncated"


def test_place_that_may_not_be_written_is_one_line(runner: SimpleNamespace) -> None:
    runner.answer = raising(PermissionError(13, "Permission denied", "/closed"))
    assert mistake("run", "my.yaml") == "cannot use /closed: Permission denied"


def test_error_of_our_own_making_is_not_hidden(runner: SimpleNamespace) -> None:
    runner.answer = raising(ZeroDivisionError("a bug"))
    result = ask("run", "my.yaml")
    assert isinstance(result.exception, ZeroDivisionError)


def test_interrupted_run_says_what_was_kept_and_how_to_go_on(runner: SimpleNamespace) -> None:
    stored_run(Path("results/quick"), trials=2)
    runner.answer = raising(KeyboardInterrupt())
    result = ask("run", "my.yaml", "--name", "quick")
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        "interrupted; 2 finished trials are kept in results/quick",
        "go on with:  python -m bench run --resume --name quick",
        "report now:  python -m bench report quick",
    ]


def test_interrupted_run_elsewhere_is_resumed_there(runner: SimpleNamespace) -> None:
    stored_run(Path("kept/quick"), trials=1)
    runner.answer = raising(KeyboardInterrupt())
    result = ask("run", "my.yaml", "--name", "quick", "--results", "kept")
    assert "python -m bench run --resume --name quick --results kept" in result.stderr


def test_interrupt_before_anything_was_recorded_says_so(runner: SimpleNamespace) -> None:
    runner.answer = raising(KeyboardInterrupt())
    result = ask("run", "my.yaml")
    assert (result.exit_code, result.stderr) == (130, "interrupted before any trial; no result was recorded\n")


def test_run_without_tensorflow_says_how_to_install_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.cli, "find_spec", lambda name: None)
    (elsewhere / "my.yaml").write_text(SPACE)
    assert "pip install 'segbench[cpu]'" in mistake("run", "my.yaml")


def test_report_of_an_unknown_run_comes_with_the_choices(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    assert mistake("report", "quack") == "no run 'quack' in results; choose from quick"


def test_report_without_any_run_says_how_to_start_one(elsewhere: Path) -> None:
    assert mistake("report") == "no run in results; start one with: python -m bench run"


def test_report_is_written_from_the_records_again_and_again(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    for _ in range(2):
        result = ask("report", "quick")
        assert (result.stdout, result.exit_code) == ("leaderboard: reports/quick/leaderboard.md\n", 0)
    assert "U-Net" in Path("reports/quick/leaderboard.md").read_text()


def test_report_is_of_the_newest_run_unless_named(elsewhere: Path) -> None:
    for age, name in enumerate(["newest", "older"]):
        stored_run(Path("results") / name)
        os.utime(Path("results") / name / "run.json", (1e9 - age, 1e9 - age))
    assert bench.cli._run_directory(None, Path("results")) == Path("results/newest")
    assert bench.cli._run_directory("older", Path("results")) == Path("results/older")
    assert bench.cli._run_directory("results/older", Path("results")) == Path("results/older")


def test_audit_of_a_missing_folder_is_one_line(elsewhere: Path) -> None:
    assert mistake("data", "audit", "nowhere").startswith("data set nowhere does not exist")


def test_sample_set_is_not_written_over_other_files(elsewhere: Path) -> None:
    (elsewhere / "photos").mkdir()
    (elsewhere / "photos" / "mine.jpg").write_bytes(b"")
    assert mistake("data", "sample", "photos") == "photos exists and is not an empty folder; choose another one"
    assert [path.name for path in (elsewhere / "photos").iterdir()] == ["mine.jpg"]


def test_written_sample_set_can_be_audited(elsewhere: Path) -> None:
    assert ask("data", "sample", "photos").stdout == "sample set: photos\n"
    told = ask("data", "audit", "photos")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("photos: ")
    assert "accuracy of predicting only background" in told.stdout


def test_list_has_a_line_for_everything_that_can_be_named() -> None:
    lines = ask("list").stdout.splitlines()
    named = {line.split()[0]: line.split(maxsplit=1)[1:] for line in lines if line.startswith("  ")}
    for name in ("default", "random", "hyperband", "unet", "plain_unet", "mobilenetv2", "focal", "adam", "via", "coco"):
        assert named[name], name
