"""`python -m bench models`, and that docs/models.md is what it says."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import UserError
from bench.models import BEGIN, END, Cost, costs, markdown, pairs, usual_pairs, write_markdown
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
SAMPLE = [("plain_unet", None), ("unet_slim", "mobilenetv3small"), ("deeplabv3_plus_slim", "efficientnet_lite0")]


def rows(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.startswith("| `")]


def committed() -> list[str]:
    return rows(DOCS.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines())


def test_the_committed_tables_are_what_the_command_says() -> None:
    assert set(rows(list(markdown(list(costs(SAMPLE)))))) <= set(committed())


def test_the_committed_tables_have_each_backbone_and_each_usual_pair() -> None:
    networks = [f"| `{name}` / `{backbone}` |" if backbone else f"| `{name}` |" for name, backbone in usual_pairs()]
    starts = [f"| `{name}` |" for name in BACKBONES] + networks
    assert len(committed()) == len(starts)
    assert all(line.startswith(start) for line, start in zip(committed(), starts, strict=True))
    assert len(set(usual_pairs())) == len(networks) == len(ARCHITECTURES) + len(BACKBONES) - 1


def test_names_choose_the_pairs() -> None:
    assert pairs(["unet_slim", "mobilenet", "vgg16"]) == [("unet_slim", "mobilenet"), ("unet_slim", "vgg16")]
    assert {name for name, _ in pairs(["convnext_tiny"])} == set(ARCHITECTURES) - {"fpn", "linknet", "plain_unet"}
    assert [backbone for _, backbone in pairs(["unet"])] == list(BACKBONES)
    with pytest.raises(
        UserError, match="'unte' is neither an architecture nor a backbone; choose from unet, unet_slim"
    ):
        pairs(["unte"])
    with pytest.raises(UserError, match="fpn and convnext_tiny cannot be put together"):
        pairs(["fpn", "convnext_tiny"])


def made(number: int) -> Cost:
    return Cost(architecture="unet", backbone="vgg16", parameters=number, multiply_adds={192: 10 * number})


def test_tables_replace_what_stands_between_the_marks_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "models.md"
    path.write_text(f"# Mine\n{BEGIN}\nold\n{END}\nrest\n", encoding="utf-8")
    write_markdown(path, [made(12_340_000)])
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n{BEGIN}\n| backbone |")
    assert text.endswith(f"{END}\nrest\n")
    assert "| `unet` / `vgg16` | 12.34 | 0.123 |" in text
    assert "old" not in text
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(UserError, match="has no lines"):
        write_markdown(path, [made(1)])


@pytest.mark.slow
def test_the_command_counts_and_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = CliRunner().invoke(app, ["models", "plain_unet"])
    assert said.exit_code == 0, said.output
    assert [line.split()[0] for line in said.stdout.splitlines()] == ["architecture", "plain_unet"]
    options = ["--measure", "--size", "32", "--batch-size", "2", "--steps", "1", "--json"]
    (told,) = json.loads(CliRunner().invoke(app, ["models", "plain_unet", *options]).stdout)
    assert min(told["step_s"], told["image_s"]) > 0
    assert CliRunner().invoke(app, ["models", "nothing"]).exit_code == 2
