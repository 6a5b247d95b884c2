"""How a network sees an image: shrunk to its input, or through windows at the image's own resolution."""

WHOLE, PATCHES, AUTO = "whole", "patches", "auto"

VIEWS: dict[str, str] = {
    AUTO: "whole or patches, by what is left of the foreground when images are shrunk (docs/decisions/0017-patches.md)",
    WHOLE: "the image shrunk to the network's input: all of it at once, what is thin vanishes",
    PATCHES: (
        "windows of the network's size at the image's own resolution, half of them on foreground; slower to predict"
    ),
}
"""Name -> one line for people."""
