"""Files of weights from anywhere, looked at before Keras opens them: plain arrays in the file itself."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError

if TYPE_CHECKING:
    import h5py


def check_weights_file(path: Path) -> None:
    """Raises DataError, in one line with the file's name, for what is no file of weights, or holds more than plain
    arrays."""
    import h5py

    try:
        with h5py.File(path, "r") as arrays:
            require_plain_arrays(path, arrays)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"the weights {path} cannot be loaded: {' '.join(str(error).split())[:200]}") from error


def require_plain_arrays(path: Path, arrays: "h5py.File") -> None:
    """Raises DataError for a link out of the file `path`, for arrays that lie elsewhere, and for those that take more
    memory than room in the file."""
    import h5py

    waiting = [arrays]
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise DataError(f"{path}: the weights {group.name}/{name} are a link out of the file")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif item.external or item.is_virtual or item.nbytes > item.id.get_storage_size():
                raise DataError(f"{path}: the weights {item.name} are not plain arrays in the file")
