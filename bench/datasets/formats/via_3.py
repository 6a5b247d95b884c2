"""VIA 3 projects in the words of VIA 2."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.datasets.formats.assembly import Reading

_SHAPES: Mapping[int, tuple[str, tuple[str, ...]]] = {
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
}
_POINT, _LINE, _POLYLINE, _POLYGON = 1, 5, 6, 7
"""The first number of a region's `xy`, as VIA 3's source names them."""


def as_version_2(content: Mapping[str, Any], path: Path, reading: Reading) -> dict[str, Any]:
    """Entries by file, with regions and attributes by name; findings are views without file, regions without view."""
    files, views = content["file"], content["view"]
    entries: dict[str, Any] = {}
    name_of_view: dict[str, str] = {}
    for view_id, view in views.items():
        ids = view.get("fid_list") if isinstance(view, dict) else None
        file = files.get(str(ids[0])) if isinstance(ids, list) and ids else None
        name = (file.get("src") or file.get("fname")) if isinstance(file, dict) else None
        if not isinstance(name, str):
            reading.say("bad_entry", f"view {str(view_id)[:40]} in {reading.name_of(path)} has no file; left out")
            continue
        name_of_view[str(view_id)] = name
        entries.setdefault(name, {"filename": name, "regions": {}})
    for key, item in content["metadata"].items():
        view = str(item.get("vid")) if isinstance(item, dict) else ""
        if view not in name_of_view:
            reading.say("bad_entry", f"region {str(key)[:40]} in {reading.name_of(path)} belongs to no view; left out")
            continue
        shape = _shape(item.get("xy"))
        if shape is not None:
            attributes = _attributes(item.get("av"), content["attribute"])
            entries[name_of_view[view]]["regions"][key] = {"shape_attributes": shape, "region_attributes": attributes}
    return entries


def _shape(xy: Any) -> dict[str, Any] | None:
    """None for an annotation of the whole image, which has no coordinates."""
    if not isinstance(xy, list) or not xy:
        return None
    kind, numbers = xy[0], xy[1:]
    if isinstance(kind, bool) or not isinstance(kind, int):
        return {"name": str(kind)}
    if kind in _SHAPES:
        name, fields = _SHAPES[kind]
        return {"name": name, **dict(zip(fields, numbers, strict=False))}
    if kind in (_LINE, _POLYLINE, _POLYGON):
        name = "polygon" if kind == _POLYGON else "polyline"
        return {"name": name, "all_points_x": numbers[::2], "all_points_y": numbers[1::2]}
    return {"name": "point" if kind == _POINT else f"VIA 3 number {kind}"}


def _attributes(values: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Attribute values by name; the number of an option is its text."""
    found = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        attribute = known.get(str(key))
        name = attribute.get("aname") if isinstance(attribute, dict) else None
        options = attribute.get("options") if isinstance(attribute, dict) else None
        text = options.get(str(value), value) if isinstance(options, dict) else value
        found[str(name or key)] = text
    return found
