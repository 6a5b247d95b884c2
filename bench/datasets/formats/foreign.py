"""Exports that are not read, recognised well enough to say which tool wrote them and what to choose there instead."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.datasets.formats.annotation_files import Document
from bench.datasets.formats.layouts import unused_suffixes

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


FOREIGN: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "Supervisely": (
        lambda content: _objects(content) or _classes_of_supervisely(content),
        f"export from Supervisely again and {_COCO}",
    ),
    "Labelbox": (_labelbox, "convert it to COCO with Labelbox's own converter"),
    "Label Studio": (_label_studio, f"export from Label Studio again and {_COCO}"),
    "Datumaro": (_datumaro, "convert it: datum convert -if datumaro -f coco_instances --save-media"),
    "V7 Darwin": (_darwin, "export from V7 again and choose COCO"),
}
"""Tool -> how its JSON is recognised, and the way out."""

SUFFIXES: Mapping[str, str] = {
    ".dcm": "DICOM: save the slices as 8- or 16-bit PNG, for example with dcm2img",
    ".nii": "NIfTI: save the slices as PNG or TIFF",
    ".gz": "compressed volumes (NIfTI?): unpack them and save the slices as PNG or TIFF",
    ".npy": "NumPy arrays: save each as PNG of class ids (0 is background)",
    ".npz": "NumPy arrays: save each as PNG of class ids (0 is background)",
    ".mat": "MATLAB files: save each as PNG of class ids (0 is background)",
    ".heic": "HEIC: convert them to JPEG",
    ".heif": "HEIC: convert them to JPEG",
    ".svs": "whole-slide images: cut them into tiles (PNG)",
    ".xml": "XML (CVAT for images, or Pascal VOC boxes): export as COCO, or as CVAT's Segmentation mask",
    ".zip": "archives: unpack them",
}
"""Suffix -> what files of it are, and the way out."""


def tool_of(documents: Sequence[Document]) -> str | None:
    """What to say of JSON files that some known tool wrote; None where none did."""
    for tool, (fits, way_out) in FOREIGN.items():
        found = [document.path for document in documents if fits(document.content)]
        if found:
            return f"{found[0]} is an export of {tool}, which is not read: {way_out}"
    return None


def suffixes_said(root: Path) -> str | None:
    """What to say of files that are no pictures, by suffix; None where there are none."""
    unused = unused_suffixes(root)
    said = [f"{count} {suffix} ({SUFFIXES.get(suffix.lower(), 'not read')})" for suffix, count in unused.items()]
    return "; ".join(said[:6]) or None
