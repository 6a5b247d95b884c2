"""Commands, exit codes, and what somebody reads who made a mistake."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import bench.cli.reporting
import bench.cli.running
from bench.cli import app
from bench.cli.ending import Ending
from bench.errors import DataError, StoreError
from bench.experiments import PRESETS, Experiment, load_experiment, to_json
from bench.run.resume import locked
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
    ["models"],
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
    stub = SimpleNamespace(answer=a_report, asked=None)

    def run_experiment(experiment: Experiment, **rest: Any) -> Path:
        stub.asked = SimpleNamespace(experiment=experiment, **rest)
        return stub.answer()

    stub.run_experiment = run_experiment
    monkeypatch.setitem(sys.modules, "bench.run", stub)
    monkeypatch.setattr(bench.cli.running, "_require_tensorflow", lambda: None)
    (elsewhere / "my.yaml").write_text(SPACE)
    return stub


def a_report() -> Path:
    """What a run leaves: a report whose summary has what is said at the end."""
    folder = Path("reports/x")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    return folder / "leaderboard.md"


SUMMARY = {
    "name": "x",
    "verdict": "No clear winner. Stay with the default.",
    "kind": "no clear winner",
    "ranking": [
        {"rank": 1, "model": "U-Net", "iou": 0.5, "iou_low": 0.4, "iou_high": 0.61, "test_iou": None,
         "latency_s": 0.02},
        {"rank": None, "model": "Otsu threshold", "iou": 0.1, "iou_low": None, "iou_high": None, "test_iou": 0.2,
         "latency_s": None},
    ],
}  # fmt: skip


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


def test_an_environment_without_the_packages_is_said_in_one_line():
    command = [sys.executable, "-S", "-m", "bench", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(bench.__file__).parent.parent)
    assert done.returncode == 2
    assert done.stderr.startswith("error: typer is not installed for ")
    assert done.stderr.count("\n") == 1
    assert "source .venv/bin/activate" in done.stderr


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
    assert result.stdout.splitlines() == [
        "No clear winner. Stay with the default.",
        "",
        "  #  model           IoU (95 % interval)  held-out  latency",
        "  1  U-Net           0.50 (0.40 to 0.61)  –         20 ms",
        "  –  Otsu threshold  0.10                 0.20      –",
        "",
        "page:        reports/x/leaderboard.html",
    ]
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


def delivered_run(directory: Path) -> None:
    store = empty_run(directory)
    store.write_bytes("delivery.json", b"{}")
    store.write_bytes("model/model.json", b"{}")


def test_a_model_that_is_not_kept_is_not_offered(elsewhere: Path) -> None:
    """As of a run that comes out of git."""
    stored_run(Path("results/quick"))
    Path("results/quick/delivery.json").write_text("{}")
    assert Ending.of(a_report().parent, [Path("results/quick")]).model is None


def test_run_that_ends_without_a_model_has_an_exit_code_of_its_own(runner: SimpleNamespace) -> None:
    result = ask("run", "my.yaml", "--budget", "60s", "--name", "short")
    assert result.exit_code == 3
    assert "no model was delivered" in result.stderr
    assert "a larger --budget than 60s goes on with --resume" in result.stderr


def test_run_for_programs_has_one_document_on_stdout_and_nothing_else(runner: SimpleNamespace) -> None:
    delivered_run(Path("results/cars"))

    def answer() -> Path:
        runner.asked.progress.note("reading")
        return a_report()

    runner.answer = answer
    result = ask("run", "my.yaml", "--name", "cars", "--json")
    told = json.loads(result.stdout)
    assert told["ranking"] == SUMMARY["ranking"]
    assert told["paths"]["page"] == "reports/x/leaderboard.html"
    assert (told["paths"]["runs"], told["paths"]["model"]) == (["results/cars"], "results/cars/model")
    assert "note: reading" in result.stderr


def test_run_without_a_model_says_so_to_programs_too(runner: SimpleNamespace) -> None:
    result = ask("run", "my.yaml", "--name", "cars", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["paths"]["model"] is None


def test_quiet_run_says_warnings_and_the_result(runner: SimpleNamespace) -> None:
    def answer() -> Path:
        runner.asked.progress.note("reading")
        runner.asked.progress.warning("2 duplicates left out")
        return a_report()

    runner.answer = answer
    result = ask("run", "my.yaml", "--quiet")
    assert "note" not in result.output
    assert result.stderr.startswith("warning: 2 duplicates left out\n")
    assert result.stdout.startswith("No clear winner.")


@pytest.mark.parametrize("options", [("--quiet", "--verbose"), ("--dry-run", "--resume")], ids=" ".join)
def test_options_that_contradict_each_other_are_refused(runner: SimpleNamespace, options: tuple[str, str]) -> None:
    assert all(option in mistake("run", "my.yaml", *options) for option in options)


@pytest.mark.parametrize("command", ["list", "report"])
def test_neither_says_less_and_more(command: str, elsewhere: Path) -> None:
    assert mistake(command, "--quiet", "--verbose").startswith("--quiet and --verbose are opposites")


def test_run_says_where_its_model_is_and_how_to_use_it(runner: SimpleNamespace) -> None:
    delivered_run(Path("results/cars"))
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
    monkeypatch.setattr(bench.cli.running, "find_spec", lambda name: None)
    (elsewhere / "my.yaml").write_text(SPACE)
    assert "pip install 'segbench[cpu]'" in mistake("run", "my.yaml")


def test_report_of_an_unknown_run_comes_with_the_choices(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    assert mistake("report", "quack") == "no run 'quack' in results; choose from quick (did you mean quick?)"
    assert mistake("report", "other") == "no run 'other' in results; choose from quick"


@pytest.mark.parametrize(
    "words",
    [("predict", "quikc", "photos", "-o", "masks"), ("export", "quikc", "--format", "onnx"), ("verify", "quikc")],
)
def test_a_mistyped_run_whose_model_is_wanted_comes_with_the_nearest_name(elsewhere: Path, words: list[str]) -> None:
    stored_run(Path("results/quick"))
    Path("photos").mkdir()
    Image.new("RGB", (4, 4)).save("photos/one.png")
    assert mistake(*words) == "no run 'quikc' in results; choose from quick (did you mean quick?)"


def test_a_run_that_is_still_under_way_has_no_model_yet(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    wanted = ("export", "quick", "--format", "onnx")
    assert mistake(*wanted).startswith("run results/quick has no model: none was delivered yet")
    with locked(Path("results/quick")):
        assert mistake(*wanted) == "run results/quick is still under way: its model comes at its end"


def test_report_without_any_run_says_how_to_start_one(elsewhere: Path) -> None:
    assert mistake("report") == "no run in results; start one with: python -m bench run"


def test_report_is_written_from_the_records_again_and_again(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    for _ in range(2):
        result = ask("report", "quick")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == "page:        reports/quick/leaderboard.html"
        assert "  1  U-Net " in result.stdout
    assert "U-Net" in Path("reports/quick/leaderboard.md").read_text()


def test_report_is_of_the_newest_run_unless_named(elsewhere: Path) -> None:
    for age, name in enumerate(["newest", "older"]):
        stored_run(Path("results") / name)
        os.utime(Path("results") / name / "run.json", (1e9 - age, 1e9 - age))
    assert bench.cli.reporting._run_directory(None, Path("results")) == Path("results/newest")
    assert bench.cli.reporting._run_directory("older", Path("results")) == Path("results/older")
    assert bench.cli.reporting._run_directory("results/older", Path("results")) == Path("results/older")


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
    names = ask("list", "--quiet").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [line.strip().split()[0] for line in names]
    assert all(len(line.split()) == 1 for line in names if line.startswith("  "))


def test_list_says_where_presets_are_if_asked() -> None:
    files = [Path(line.strip()) for line in ask("list", "--verbose").stdout.splitlines() if line.endswith(".yaml")]
    assert {path.parent.name for path in files} == {"experiments", "search_spaces"}
    assert all(path.is_file() for path in files)


def test_list_for_programs_has_every_table() -> None:
    told = json.loads(ask("list", "--json").stdout)
    assert told["losses"]["focal"]
    assert {"experiments", "search spaces", "tuners", "architectures", "data formats"} <= set(told)


def test_audit_for_programs_has_every_finding(elsewhere: Path) -> None:
    small_photos(elsewhere / "photos")
    told = json.loads(ask("data", "audit", "photos", "--json").stdout)
    assert told["dataset"]["num_images"] == 12
    assert [finding["kind"] for finding in told["audit"]["findings"]].count("empty_mask") == 4


def test_audit_groups_what_repeats(elsewhere: Path) -> None:
    small_photos(elsewhere / "photos")
    lines = ask("data", "audit", "photos").stdout.splitlines()
    start = lines.index("empty mask (4): an image has no foreground pixel")
    assert lines[start + 1 : start + 3] == [
        "  images/0.png has no foreground pixel",
        "    the same of 3 more: images/1.png, images/2.png, images/3.png",
    ]
    assert "  images/3.png has no foreground pixel" in ask("data", "audit", "photos", "--all").stdout.splitlines()
    first, *_ = ask("data", "audit", "photos", "--quiet").stdout.splitlines()
    assert first == lines[lines.index(first)] != lines[0], "the findings alone"


def test_report_for_programs_says_verdict_ranking_and_paths(elsewhere: Path) -> None:
    stored_run(Path("results/quick"))
    told = json.loads(ask("report", "quick", "--json").stdout)
    assert (told["kind"], told["ranking"][0]["rank"]) == ("not confirmed", 1)
    assert Path(told["paths"]["page"]).is_file()
    assert ask("report", "quick", "--quiet").stdout.strip() == told["paths"]["page"]
    assert ask("report", "quick", "--verbose").stdout.startswith(Path(told["paths"]["markdown"]).read_text())
    checked = ask("report", "quick", "--check", "--json")
    assert checked.exit_code == 2  # the metrics of these trials were made up
    found = json.loads(checked.stdout)["differences"]
    assert len(found) == 2
    assert all("its recorded metrics are not those of its counts" in line for line in found)


def test_dry_run_says_plan_time_and_memory_and_writes_nothing(elsewhere: Path) -> None:
    small_photos(elsewhere / "photos")
    (elsewhere / "small.yaml").write_text(
        "space: {architecture: [plain_unet], image_size: [32], loss: [bce, dice], augmentation: [0, 0.5, 1]}\n"
        "tuners: [random, grid]\ntrials: 4\ndata: {path: photos}\n"
    )
    said = ask("run", "small.yaml", "--dry-run").stdout
    assert "12 images" in said
    assert "random-seed0, grid-seed0: at most 4 trials each, of 6 configurations" in said
    assert "at most 5 candidates on 3 folds with 3 seeds: 45 trainings, 200 steps each" in said
    assert "not known:   seconds of a step and memory of a training here" in said
    told = json.loads(ask("run", "small.yaml", "--dry-run", "--budget", "20m", "--json").stdout)
    assert told["seconds"] == told["budget_s"] == 1200
    assert told["plans"][0]["candidates"] >= told["plans"][-1]["candidates"]
    short = ask("run", "--data", "photos", "--budget", "2m", "--dry-run").stdout
    assert "search:      none, the budget has no room for one" in short
    assert not Path("results").exists()
    assert not Path("reports").exists()


def small_photos(root: Path) -> None:
    """12 pictures, 40 x 40 px, of squares; on four of them there is none."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((40, 40), np.uint8)
        mask[5:25, 5:25] = 255 * (number > 3)
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")


@pytest.mark.parametrize(
    ("called", "code", "said"),
    [
        ("/usr/bin/segbench", 0, "complete -o default -F _segbench_completion segbench"),
        (
            "bench/__main__.py",
            2,
            "error: a shell completes the command segbench, not python -m bench; try segbench --show-completion",
        ),
    ],
)
def test_completion_is_of_the_command_that_a_shell_knows(called: str, code: int, said: str) -> None:
    program = f"import sys; sys.argv = [{called!r}, '--show-completion', 'bash']; from bench.cli import main; main()"
    no_shell = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=no_shell, check=False)
    assert result.returncode == code
    assert said in result.stdout + result.stderr
