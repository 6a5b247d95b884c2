"""`python -m bench score`: masks of another tool in a run's ranking."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bench.analysis.final_evaluation import Finals, finals
from bench.cli import app
from bench.datasets import Dataset
from bench.datasets.cache import CachedPixels, open_cache, write_cache
from bench.datasets.images import decode
from bench.datasets.letterbox import letterbox_mask, valid_area
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.ensemble import choose, masks_with
from bench.exchange.run_data import TEST, data_of, parts_of
from bench.records import COMPLETED, DEFAULT, Candidate, FinalsRecord, Run, TrainingRecord
from bench.records.store import RunStore, load
from bench.report import write_report
from bench.run.delivery import libraries, select
from bench.run.final_evaluation import unit_name
from bench.run.resume import locked
from tests.exchange.finished import EVALUATION_SIZE, data_set, finished_run

Change = Callable[[np.ndarray], np.ndarray]
"""Of a true mask, uint8 [H, W]."""

CANDIDATES = (
    Candidate(
        name="default configuration", roles=(DEFAULT,), hyperparameters={"architecture": "unet", "image_size": 32}
    ),
    Candidate(name="recipe 2", roles=("portfolio",), hyperparameters={"architecture": "linknet", "image_size": 32}),
)


def shifted(pixels: int) -> Change:
    return lambda mask: np.roll(mask, pixels, axis=1)


BY_ONE = shifted(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_set(tmp_path_factory.mktemp("data"), 14, void=True)


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Run:
    """A run whose candidates found the truth, shifted by 2 and by 4 pixels of the evaluation size,
    with what it keeps of them."""
    directory = finished_run(tmp_path, data)
    store, made = RunStore(directory), load(directory)
    store.write(FinalsRecord(candidates=CANDIDATES, folds=3, seeds=(1,), epochs=4, rule="made up", steps_per_epoch=25))
    pixels = cached(made, data, tmp_path / "cache")
    for candidate, shift in zip(CANDIDATES, (2, 4), strict=True):
        for fold, ids in enumerate(made.split.folds):
            store.append(training(store, candidate, fold, ids, pixels, shift, made.split.test))
    return load(directory)


def cached(run: Run, data: Path, folder: Path) -> CachedPixels:
    with data_of(run, data) as dataset:
        ids = [name for part in parts_of(run).values() for name in part]
        write_cache(dataset, ids, [EVALUATION_SIZE], folder, fingerprint=run.dataset.fingerprint)
    return open_cache(folder, EVALUATION_SIZE)


def training(store, candidate, fold, ids, pixels, shift, test) -> TrainingRecord:
    """With the maps and the file of weights that a real one leaves: foreground has 0.8 where it was found,
    else 0.1, some pixels less."""

    def found(names):
        rows = pixels.rows(names)
        return {name: np.roll(pixels.class_ids(rows)[row], shift, axis=1) for row, name in enumerate(names)}

    def counted(names):
        rows = {name: pixels.rows([name]) for name in names}
        return {
            name: counts_of(confusion_of(pixels.class_ids(rows[name])[0], mask, pixels.valid[rows[name][0]], 2))
            for name, mask in found(names).items()
        }

    record = TrainingRecord(
        candidate=candidate.name, hyperparameters=candidate.hyperparameters, fold=fold, seed=1, status=COMPLETED,
        out_of_fold=counted(ids), test=counted(test), epochs_run=4, train_s=1.0, wall_s=1.0,
        started_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    noise = np.random.default_rng(fold).integers(0, 130, (len(ids), 1, EVALUATION_SIZE, EVALUATION_SIZE, 1))
    values = np.stack(list(found(ids).values()))[:, None, ..., None] * 180 + noise // 2
    arrays = {"ids": np.array(ids, np.str_), "values": np.repeat(values, 2, axis=1).clip(0, 255).astype(np.uint8)}
    store.write_arrays(f"maps/{unit_name(record)}", arrays)
    store.write_bytes(f"members/{unit_name(record)}.weights.h5", b"weights")
    return record


def write_masks(run: Run, data: Path, folder: Path, change: Change = BY_ONE, parts: tuple[str, ...] = ()) -> Path:
    """The true masks at their images' own size, changed, without void; all parts unless `parts` are named."""
    with data_of(run, data) as dataset:
        for part, ids in parts_of(run).items():
            if not parts or part in parts:
                for name, mask in masks_of(dataset, ids).items():
                    save(folder / part / Path(name).relative_to("images"), change(np.where(mask == 255, 0, mask)))
    return folder


def masks_of(dataset: Dataset, ids: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {sample.id: decode(sample)[1] for sample in dataset.samples if sample.id in ids}


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8)).save(path.with_suffix(".png"))


def score(run: Run, folder: Path, *more: str, name: str = "nnU-Net 2d") -> Result:
    return CliRunner().invoke(app, ["score", str(folder), "--run", run.directory, "--as", name, *more])


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def mistake(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def ranking(run: Run) -> Finals:
    found = finals(load(Path(run.directory)))
    assert isinstance(found, Finals)
    return found


def test_the_runs_own_masks_out_of_fold_scored_again_differ_by_exactly_no_pixel(
    run: Run, data: Path, tmp_path: Path
) -> None:
    truth = cached(run, data, tmp_path / "cache")
    selection = select(Path(run.directory), run.trainings, truth, 2)
    assert selection is not None
    (library,) = libraries(Path(run.directory), run.trainings, truth, 2)
    for fold in range(3):  # each by what was chosen on the others, as it is recorded
        others = library.images.fold != fold
        chosen = choose([maps[others] for maps in library.maps], library.images.only(others))
        here = library.images.only(~others)
        for name, mask in zip(
            here.ids, masks_with(chosen, [maps[~others] for maps in library.maps], here), strict=True
        ):
            save(tmp_path / "own" / f"fold_{fold + 1}" / Path(name).relative_to("images"), mask)
    done(score(run, tmp_path / "own", name="the run itself"))
    record = load(Path(run.directory)).external[-1]
    assert record.out_of_fold == selection.record.out_of_fold
    assert sum(counts[1].tp for counts in record.out_of_fold.values()) > 0
    assert record.test == {}


def test_masks_of_their_images_size_are_shrunk_as_the_truth_is(run: Run, data: Path, tmp_path: Path) -> None:
    done(score(run, write_masks(run, data, tmp_path / "masks")))
    record = load(Path(run.directory)).external[-1]
    with data_of(run, data) as dataset:
        for name, mask in masks_of(dataset, (*sum(run.split.folds, ()), *run.split.test)).items():
            truth, found = (
                letterbox_mask(each, 32) for each in (mask, np.roll(np.where(mask == 255, 0, mask), 1, axis=1))
            )
            valid = valid_area(*mask.shape, 32) & (truth != 255)
            expected = counts_of(confusion_of(truth, found, valid, 2))
            assert {**record.out_of_fold, **record.test}[name] == expected, name
    assert set(record.test) == set(run.split.test)


def test_perfect_masks_lead_the_ranking_and_the_runs_own_answer_stays(run: Run, data: Path, tmp_path: Path) -> None:
    before = ranking(run)
    said = done(score(run, write_masks(run, data, tmp_path / "masks", shifted(0))))
    held = ranking(run)
    (external,) = held.external.ranking
    assert (external.score, external.test, external.rank) == (1.0, 1.0, 1)
    assert "rank 1" in said
    assert "IoU 1.00" in said
    leader = held.ranking[0]
    assert external.leader_ahead.value == pytest.approx(leader.score - 1)
    assert external.to_default.value == pytest.approx(1 - held.of_role(DEFAULT).score)
    assert [held.rank_of(each) for each in held.ranking] == [2, 3]
    assert [each.group for each in held.ranking] == [each.group for each in before.ranking] == [1, 2]


def test_the_page_has_a_row_with_a_badge_of_its_own_and_is_what_the_records_say(
    run: Run, data: Path, tmp_path: Path
) -> None:
    done(score(run, write_masks(run, data, tmp_path / "masks", shifted(3)), name="their <b>U-Net</b>"))
    page = write_report(load(Path(run.directory)), tmp_path / "report").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("|") and "other tool" in line]
    assert "U-Net" in row
    assert "<b>" not in row
    table = (tmp_path / "report/tables/finals.csv").read_text()
    assert "their <b>U-Net</b>,other tool" in table


def test_what_is_not_given_is_not_counted(run: Run, data: Path, tmp_path: Path) -> None:
    said = done(score(run, write_masks(run, data, tmp_path / "a", parts=("fold_1", "fold_3")), name="two folds"))
    assert "held-out test set: not given, so not counted" in said
    assert "without a rank, since folds are missing" in said
    done(score(run, write_masks(run, data, tmp_path / "b", parts=(TEST,)), name="held out"))
    two, held_out = ranking(run).external.ranking
    assert (two.rank, two.test, two.images) == (None, None, len(run.split.folds[0]) + len(run.split.folds[2]))
    assert two.leader_ahead is not None
    assert (held_out.rank, held_out.score, held_out.images, held_out.leader_ahead) == (None, None, 0, None)
    assert held_out.test is not None
    assert write_report(load(Path(run.directory)), tmp_path / "report").is_file()


def test_a_name_is_scored_once_unless_it_is_forced_and_both_stay_on_record(
    run: Run, data: Path, tmp_path: Path
) -> None:
    first, second = (write_masks(run, data, tmp_path / str(shift), shifted(shift)) for shift in (1, 5))
    done(score(run, first))
    kept = (Path(run.directory) / "external.jsonl").read_bytes()
    said = mistake(score(run, second))
    assert str(first) in said
    assert "--force" in said
    assert (Path(run.directory) / "external.jsonl").read_bytes() == kept
    assert f"in place of the masks in {first}" in done(score(run, second, "--force"))
    assert (Path(run.directory) / "external.jsonl").read_bytes().startswith(kept)
    (standing,) = ranking(run).external.ranking
    assert standing.record.folder == str(second)


def test_masks_may_have_the_names_that_data_split_gave(run: Run, data: Path, tmp_path: Path) -> None:
    words = ["data", "split", str(data), "--run", run.directory, "-o", str(tmp_path / "split")]
    done(CliRunner().invoke(app, words))
    for part in parts_of(run):
        for path in (tmp_path / "split" / part / "masks").iterdir():
            mask = np.asarray(Image.open(path))
            save(tmp_path / "given" / part / path.name, np.where(mask == 255, 0, mask))
    done(score(run, tmp_path / "given", "--data", str(data)))
    assert ranking(run).external.ranking[0].score == 1.0


def test_a_mask_that_does_not_belong_is_named_in_one_line(run: Run, data: Path, tmp_path: Path) -> None:
    masks = write_masks(run, data, tmp_path / "masks")
    here, there = (Path(ids[0]).relative_to("images") for ids in run.split.folds[:2])
    path = masks / "fold_1" / here
    good = Image.open(path).copy()

    def said_of(mask: np.ndarray) -> str:
        save(path, mask)
        return mistake(score(run, masks))

    assert f"mask {path} has the value 7; write class ids, 0 background, 1 damage" in said_of(
        np.full(np.shape(good), 7)
    )
    assert f"{path} is 9x5 pixels" in said_of(np.zeros((5, 9)))
    assert "has 3 channels" in said_of(np.zeros((*np.shape(good), 3)))
    path.unlink()
    assert f"{masks / 'fold_1'} has no mask of images/{here}" in mistake(score(run, masks))
    good.save(path)
    save(masks / "fold_1" / there, np.zeros((3, 3)))
    assert "is the mask of an image of fold_2" in mistake(score(run, masks))
    (masks / "fold_1" / there).unlink()
    save(masks / "fold_1" / "nobody.png", np.zeros((3, 3)))
    assert "is a mask of no image" in mistake(score(run, masks))
    (masks / "fold_1" / "nobody.png").unlink()
    (masks / "fold_0").mkdir()
    assert "its folds are fold_1 to fold_3" in mistake(score(run, masks))
    assert "has none of the folders fold_1, fold_2, fold_3, test" in mistake(score(run, tmp_path))
    assert load(Path(run.directory)).external == ()


def test_a_run_without_ranking_other_data_and_odd_names_are_refused(run: Run, data: Path, tmp_path: Path) -> None:
    masks = write_masks(run, data, tmp_path / "masks")
    other = data_set(tmp_path / "other", 13)
    assert "is not the data of run small" in mistake(score(run, masks, "--data", str(other)))
    assert "is no name" in mistake(score(run, masks, name="a\nb"))
    assert "is a candidate of run small itself" in mistake(score(run, masks, name=ranking(run).ranking[0].label))
    assert score(run, masks, name="U-Net w/ aug").exit_code == 0
    assert [each.name for each in load(Path(run.directory)).external] == ["U-Net w/ aug"]
    (Path(run.directory) / "external.jsonl").unlink()
    (Path(run.directory) / "finals.json").unlink()
    assert "has no ranking" in mistake(score(run, masks))
    assert load(Path(run.directory)).external == ()


def test_a_run_without_other_tools_has_none_in_its_ranking_and_ranks_of_its_own(run: Run) -> None:
    held = ranking(run)
    assert held.external.ranking == ()
    assert [held.rank_of(each) for each in held.ranking] == [each.group for each in held.ranking]


def test_a_run_that_somebody_works_on_is_left_alone(run: Run, data: Path, tmp_path: Path) -> None:
    masks = write_masks(run, data, tmp_path / "masks")
    with locked(Path(run.directory)):
        assert "is being worked on by another process" in mistake(score(run, masks))
    done(score(run, masks))
