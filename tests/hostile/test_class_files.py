"""Texts beside pictures that nobody would write: lists of classes, YOLO's outlines and data.yaml, tables of VIA, lists
of parts. Each ends in a data set or in one line that names the file."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import DataOptions, open_dataset
from bench.datasets.images import decode
from bench.errors import DataError
from tests.datasets.drawings import picture, save, square_mask
from tests.hostile.mutations import SECRET, TALLY, as_drawn, bounded, examples, failures_in, watched

EXAMPLES = examples(250, 25)
"""Of each kind of file."""

ODD = (
    "", " ", "-1", "0", "1", "255", "256", "9" * 5000, "1" * 400, "-0.0", "1e309", "nan", "inf", "0x10", "\u0663",
    "\u00b2", "a" * 200_000, "'", '"', "\\", "\0", "\n", "\r", "\t", ",", ";", ":", "\ufeff", "\ud800", "\x1b[2J",
    "=1+1", "yes", "null", "~", "[", "]", "{", "}", "[[", "*a", "&a", "!!bool maybe", "!!timestamp x", '!!int ""',
    "!!float _", "!!python/object/apply:os.system ['true']", "!!binary aaaa", "<<: *a", "? [a]", "%YAML 9.9", "---",
    f"../{SECRET}", "/etc/passwd", "../../../../etc/passwd", "a.png", "images/a.png", '{"name": "polygon"}', "[]", "{}",
    "3", "polygon", "#ff0000", " -0.1" * 40 + " x",
)  # fmt: skip

YOLO = "0 0.2 0.2 0.5 0.2 0.5 0.5\n1 -0.1 0.6 0.9 0.6 0.9 0.9 0.6 0.9\n1 0.5 0.5 0.2 0.2\n"
VIA = (
    "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    'a.png,1,"{}",1,0,"{""name"":""rect"",""x"":3,""y"":2,""width"":4,""height"":4}","{""class"":""dent""}"\n'
    'b.png,1,"{}",1,0,"{""name"":""circle"",""cx"":5,""cy"":5,""r"":3}","{""class"":""scratch""}"\n'
)
KINDS: dict[str, tuple[str, str]] = {
    "labelmap.txt": (
        "masks/labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndent:1,1,1::\nscratch:2,2,2::\n",
    ),
    "_classes.csv": ("masks/_classes.csv", "Pixel Value, Class\n0, background\n1, dent\n2, scratch\n"),
    "class_dict.csv": ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ndent,1,1,1\nscratch,2,2,2\n"),
    "class_names.txt": ("class_names.txt", "_background_\ndent\nscratch\n"),
    "classes.json": ("classes.json", '{"dent": 1, "scratch": 2}'),
    "dataset.json": (
        "dataset.json",
        '{"labels": {"background": 0, "dent": 1, "scratch": 2}, "channel_names": {"0": "R"}}',
    ),
    "lists of parts": ("ImageSets/Segmentation/train.txt", "a\n"),
    "YOLO outlines": ("labels/a.txt", YOLO),
    "YOLO data.yaml": ("data.yaml", "path: .\ntrain: images\nnames:\n  0: dent\n  1: scratch\n"),
    "VIA tables": ("images/via.csv", VIA),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save(tmp_path / SECRET, picture())
    return tmp_path / "set"


def drawn_set(root: Path, kind: str) -> Path:
    """Two pictures with what the file of that kind belongs to; where that file is."""
    shutil.rmtree(root, ignore_errors=True)
    for number, name in enumerate("ab"):
        save(root / "images" / f"{name}.png", picture(seed=number))
        if not kind.startswith(("YOLO", "VIA")):
            save(root / "masks" / f"{name}.png", square_mask(value=number + 1))
    if kind.startswith("YOLO"):
        for name in "ab":
            (root / "labels").mkdir(exist_ok=True)
            (root / "labels" / f"{name}.txt").write_text(YOLO)
    if kind == "lists of parts":
        (root / "ImageSets" / "Segmentation").mkdir(parents=True)
        (root / "ImageSets" / "Segmentation" / "val.txt").write_text("b\n")
    if kind == "without a suffix":
        shutil.rmtree(root / "masks")
        return root / "IM0001"
    return root / KINDS[kind][0]


def pieces(text: str) -> list[str]:
    """A text cut at what separates, separators included."""
    return [part for part in re.split(r"([,:;\s\"{}\[\]]+)", text) if part]


def changed_text(draw: Callable[[Any], Any], text: str) -> bytes:
    """One to three pieces are replaced by odd ones, removed or repeated; or bytes of it are."""
    parts = pieces(text)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(parts) - 1))
        what = draw(st.integers(-6, len(ODD) - 1))
        parts[place] = ODD[what] if what >= 0 else "" if what < -3 else parts[place] * (2 if what < -1 else 3000)
    content = "".join(parts).encode("utf-8", "surrogatepass")
    in_utf_16 = content.decode("utf-8", "replace").encode("utf-16")
    halved = content[: len(content) // 2]
    return draw(st.sampled_from((content, content, content, halved, b"\xff" + content, in_utf_16)))


def read(root: Path) -> str:
    """How reading a set ends: "result" or "one line"."""
    try:
        with bounded(10):
            dataset = open_dataset(root, DataOptions())
            for sample in dataset.samples:
                assert sample.image_path.is_relative_to(root)
                mask = decode(sample)[1]
                assert set(np.unique(mask).tolist()) <= {*range(len(dataset.classes) + 1), 255}
            for name in dataset.classes:
                name.encode()
        return "result"
    except DataError as error:
        said = str(error).strip()
        assert "\n" not in said, said[:300]
        assert str(root) in said, said[:300]
        return "one line"
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"a traceback: {error!r}"[:300]) from error


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_up_text_is_read_or_refused_in_one_line(root: Path, kind: str) -> None:
    failures: list[str] = []
    ends = Counter[str]()

    @as_drawn(EXAMPLES)
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        content = changed_text(data.draw, KINDS[kind][1])
        drawn_set(root, kind).write_bytes(content)
        with failures_in(failures, ascii(content[:300])), watched(root):
            ends[read(root)] += 1

    drawn_set(root, kind).write_text(KINDS[kind][1])
    assert read(root) == "result"
    one()
    assert not failures, failures
    TALLY.setdefault("mutated lists, YOLO texts and tables", Counter()).update(ends)
    assert ends.total() >= 0.9 * EXAMPLES


def special(root: Path, kind: str) -> Iterator[tuple[str, Callable[[Path], None]]]:
    yield "a pipe that nobody writes to", os.mkfifo
    yield "a folder", Path.mkdir
    yield "a link to nothing", lambda path: path.symlink_to("nowhere")
    yield "a link to itself", lambda path: path.symlink_to(path.name)
    yield "an endless device", lambda path: path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", [*KINDS, "without a suffix"])
def test_what_is_no_file_is_not_waited_for(root: Path, kind: str) -> None:
    failures: list[str] = []
    for what, make in special(root, kind):
        path = drawn_set(root, kind)
        path.unlink(missing_ok=True)
        make(path)
        with failures_in(failures, what), watched(root):
            TALLY.setdefault("files that are none, in a data set", Counter())[read(root)] += 1
    assert not failures, failures
