"""What an audit may find, and which of it a run says before it starts."""

from collections.abc import Iterator, Mapping, Sequence

from bench.records import Finding

KINDS: Mapping[str, str] = {
    "exact_twins": "two images have the same pixels",
    "near_twins": "two images are one picture at another size, compression or exposure",
    "missing_image": "an annotation names an image that does not exist",
    "missing_annotation": "an image has no annotation and is left out",
    "unreadable": "a file cannot be decoded and is left out",
    "misfit": "an annotation does not fit its image, which is left out",
    "odd_mask": "a mask is painted in another way than the others and is left out",
    "exif_rotation": "an image is stored rotated and is read as it is shown",
    "turned_mask": "a mask fits its rotated image both ways and is taken as shown",
    "region_outside": "an outline reaches beyond its image and is cut there",
    "degenerate_region": "an outline has no area",
    "bad_region": "a region cannot be drawn; the others of its image are",
    "bad_entry": "an entry of an annotation file cannot be read and is left out",
    "orphan_annotation": "annotations belong to no image of their file",
    "unannotated_part": "no image of a part has an annotation; the part is left out",
    "merged_entries": "one image has several entries",
    "no_class": "a region has no class and is void",
    "no_size": "an annotation file does not state the size of an image",
    "renamed": "an annotation names another picture than the one beside it",
    "passed_over": "a file beside the annotations is not read",
    "second_format": "annotations of several formats; one is read",
    "unused_files": "files or pictures that are not read",
    "classes_in_names": "names of masks, or of their folders, are read as classes",
    "names_matched": "images and masks of different names are taken for pairs",
    "shifted_numbers": "images and masks may be numbered from different starts",
    "void_pixels": "a value of masks is read as void",
    "object_numbers": "values of masks may be numbers of objects, not classes",
    "similar_names": "names of classes that may be one class",
    "label_per_object": "labels that may number objects",
    "mostly_foreground": "most pixels are foreground; masks may be inverted",
    "inverted_mask": "a mask is foreground all around its edge while hardly another is",
    "vanishing": "foreground is gone at a size of the model's input",
    "empty_mask": "an image has no foreground pixel",
    "unused_class": "a class has no pixel in the data set",
    "value_range": "images of more than 8 bit are scaled from one range",
    "pages": "a file has several pages, of which the first is read",
    "extra_band": "a fourth band is not read",
    "large_image": "an image takes much memory",
    "outside": "images are read from outside of the data set's folder",
}
"""What `Finding.kind` may be, explained in one line each."""

DECISIVE = (
    "misfit", "odd_mask", "turned_mask", "bad_region", "bad_entry", "orphan_annotation", "unannotated_part", "no_class",
    "renamed", "second_format", "classes_in_names", "names_matched", "shifted_numbers", "inverted_mask", "void_pixels",
    "object_numbers", "similar_names", "label_per_object", "mostly_foreground", "value_range", "pages", "extra_band",
    "large_image", "outside",
)  # fmt: skip
"""Kinds that change what is trained on, or what its score means."""


def memory_said(findings: Sequence[Finding]) -> Iterator[str]:
    """Those of `warnings_of` to print before images are decoded: how much memory a large one takes."""
    return warnings_of([finding for finding in findings if finding.kind == "large_image"])


def warnings_of(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each kind of DECISIVE that was found: the first of them, and how many more there are."""
    for kind in DECISIVE:
        found = [finding for finding in findings if finding.kind == kind]
        if found:
            more = f" (and {len(found) - 1} more: python -m bench data audit)" if len(found) > 1 else ""
            yield f"{found[0].message}{more}"
