"""Exports that are not read, recognised well enough to say which tool wrote them and what to choose there instead."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.datasets.formats.annotation_files import Document
from bench.datasets.formats.layouts import unused_suffixes
from bench.datasets.images import SUFFIXES as IMAGE_SUFFIXES

_COCO = "choose COCO (instances, with images)"


def _objects(content: Any) -> bool:
    return (
        isinstance(content, dict) and isinstance(content.get("objects"), list) and isinstance(content.get("size"), dict)
    )


def _classes_of_supervisely(content: Any) -> bool:
    classes = content.get("classes") if isinstance(content, dict) else None
    return isinstance(classes, list) and bool(classes) and isinstance(classes[0], dict) and "title" in classes[0]


def _label_studio(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    return (
        isinstance(first, dict)
        and ("data" in first or "image" in first)
        and any(key in first for key in ("annotations", "completions", "annotator", "label", "predictions"))
    )


def _datumaro(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("items"), list)
        and isinstance(content.get("categories"), dict)
    )


def _darwin(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("annotations"), list)
        and ("image" in content or "item" in content)
    )


def _labelbox(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and any(key in first for key in ("data_row", "Labeled Data"))


def _superannotate(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("metadata"), dict)
        and isinstance(content.get("instances"), list)
    )


def _hasty(content: Any) -> bool:
    return isinstance(content, dict) and "project_name" in content and isinstance(content.get("images"), list)


def _geojson(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, dict) and first.get("type") in ("FeatureCollection", "Feature")


def _coco_results(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"image_id", "category_id"} <= first.keys()


FOREIGN: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "Supervisely": (
        lambda content: _objects(content) or _classes_of_supervisely(content),
        f"export from Supervisely again and {_COCO}",
    ),
    "Labelbox": (_labelbox, "convert it to COCO with Labelbox's own converter"),
    "Label Studio": (_label_studio, f"export from Label Studio again and {_COCO}"),
    "Datumaro": (_datumaro, "convert it: datum convert -if datumaro -f coco_instances --save-media"),
    "V7 Darwin": (_darwin, "export from V7 again and choose COCO"),
    "SuperAnnotate": (_superannotate, "convert it to COCO with SuperAnnotate's own converter"),
    "Hasty": (_hasty, f"export from Hasty again and {_COCO}"),
    "GeoJSON": (_geojson, "it has no pictures; from QuPath export labelled images (masks) beside the pictures"),
    "COCO results": (
        _coco_results,
        "it lists what a model found, without images and categories; give the COCO instances file",
    ),
}
"""Tool -> how its JSON is recognised, and the way out."""

SUFFIXES: Mapping[str, str] = {
    ".gz": "compressed files: unpack them",
    ".npy": "NumPy arrays: save each as PNG of class ids (0 is background)",
    ".npz": "NumPy arrays: save each as PNG of class ids (0 is background)",
    ".mat": "MATLAB files: save each as PNG of class ids (0 is background)",
    ".heic": "HEIC: convert them to JPEG",
    ".heif": "HEIC: convert them to JPEG",
    ".svs": "whole-slide images: cut them into tiles (PNG)",
    ".xml": "XML (CVAT for images, or Pascal VOC boxes): export as COCO, or as CVAT's Segmentation mask",
    ".zip": "archives: unpack them",
    ".ndjson": "lines of JSON (Labelbox, Ultralytics): convert them to COCO, or to YOLO segmentation texts",
    ".geojson": "GeoJSON: it has no pictures; from QuPath export labelled images (masks) beside the pictures",
}
"""Suffix -> what files of it are, and the way out."""


VOLUMES: Mapping[str, str] = {
    "DICOM": "save each slice as a 16-bit PNG, for example with DCMTK: dcm2img --write-16-bit-png a.dcm a.png",
    "NIfTI": (
        "save each slice as TIFF or PNG, image and mask alike, for example of nibabel.load(FILE).get_fdata()[:, :, k]"
    ),
    "a medical volume": "save each slice as TIFF or PNG, image and mask alike, for example with SimpleITK or 3D Slicer",
}
"""Kind of file -> the way out. Which slices to use, and in which window, depends on the images."""

_VOLUME_ENDS = {
    "DICOM": (".dcm", ".dicom", ".ima"),
    "NIfTI": (".nii", ".nii.gz"),
    "a medical volume": (".mha", ".mhd", ".nrrd", ".nrrd.gz"),
}
_LONGEST_LINE = 2**16
"""Characters of a table's line that are looked at."""

_DICOM_AT, _DICOM_MARK = 128, b"DICM"


def volume_said(root: Path) -> str | None:
    """The advice for DICOM, NIfTI and other volumes below `root`, naming the first file; None if there are none.

    Files without a suffix are opened, since DICOM files often have none.
    """
    found: dict[str, list[Path]] = {}
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            kind = None if name.startswith(".") else _volume_kind(Path(parent, name))
            if kind is not None:
                found.setdefault(kind, []).append(Path(parent, name))
    if not found:
        return None
    said = []
    for kind, paths in sorted(found.items()):
        more = f", and {len(paths) - 1} more like it" if len(paths) > 1 else ""
        said.append(f"{min(paths)} is {kind}, which is not read{more}: {VOLUMES[kind]}")
    return "; ".join(said)


def _volume_kind(path: Path) -> str | None:
    name = path.name.lower()
    kind = next((kind for kind, ends in _VOLUME_ENDS.items() if name.endswith(ends)), None)
    if kind is not None or path.suffix or not path.is_file():  # a pipe would be waited for
        return kind
    try:
        with path.open("rb") as file:
            file.seek(_DICOM_AT)
            return "DICOM" if file.read(len(_DICOM_MARK)) == _DICOM_MARK else None
    except OSError:
        return None


def tool_of(documents: Sequence[Document]) -> str | None:
    """What to say of JSON files that some known tool wrote; None where none did."""
    for tool, (fits, way_out) in FOREIGN.items():
        found = [document.path for document in documents if fits(document.content)]
        if found:
            return f"{found[0]} is an export of {tool}, which is not read: {way_out}"
    return None


def table_said(root: Path) -> str | None:
    """The advice for a CSV file in `root` or its folders that names images; None without one.

    Such a table has boxes, or classes of whole images.
    """
    for path in sorted(path for path in (*root.glob("*.csv"), *root.glob("*/*.csv")) if path.is_file()):
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                cells = re.split("[,;\t]", file.readline(_LONGEST_LINE) + "," + file.readline(_LONGEST_LINE))
        except OSError:
            continue
        if any(Path(cell.strip().strip('"')).suffix.lower() in IMAGE_SUFFIXES for cell in cells):
            return (
                f"{path} is a table that names pictures (boxes, or classes of whole images) and has no outlines; "
                "export polygons: from MakeSense VGG JSON or COCO JSON, from VIA its CSV of regions or its project"
            )
    return None


def suffixes_said(root: Path) -> str | None:
    """The advice for files that are no images, by suffix; None if there are none."""
    unused = unused_suffixes(root)
    said = [f"{count} {suffix} ({SUFFIXES.get(suffix.lower(), 'not read')})" for suffix, count in unused.items()]
    return "; ".join(said[:6]) or None
