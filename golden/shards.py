"""The tensors of a model's folder: one safetensors file, or several and the index that says which holds what."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from trine.golden.config import read_json
from trine.golden.json_object import one_line
from trine.golden.tensors import StoredTensor, read_tensors

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def read_folder(folder: Path) -> tuple[Path, dict[str, StoredTensor]]:
    """(the file that names the tensors, the tensors by name) of model.safetensors, or else of its index and shards.

    Every header is read and checked, and no tensor. Raises ValueError as `read_tensors`, and beginning with the path of
    the index: for one that does not map names to files beside it, and for a shard that lacks a tensor which the index
    has it hold, or holds one more.
    """
    single, index = folder / SINGLE, folder / INDEX
    if single.exists() or not index.exists():
        return single, read_tensors(single)
    try:
        return index, _read_shards(folder, _weight_map(index))
    except _IndexError as error:
        raise ValueError(f"{index}: {error}") from error


class _IndexError(ValueError):
    """An index that is wrong, or that its shards do not agree with."""


def _weight_map(index: Path) -> dict[str, str]:
    """The file name of every tensor."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise _IndexError("weight_map must be an object of tensors and files")
    for name, file in weight_map.items():
        if not isinstance(file, str) or not _is_file_name(file):
            raise _IndexError(f"{one_line(name)} must be in a file of this folder, not in {file!r:.80}")
    return weight_map


def _is_file_name(text: str) -> bool:
    """Whether a text names a file, wherever it is read, and leads nowhere else."""
    plain = text.isprintable() and not text.startswith(".") and text.endswith(".safetensors")
    return plain and PurePosixPath(text).name == PureWindowsPath(text).name == text


def _read_shards(folder: Path, weight_map: dict[str, str]) -> dict[str, StoredTensor]:
    tensors: dict[str, StoredTensor] = {}
    for file in sorted(set(weight_map.values())):
        for name, tensor in read_tensors(folder / file).items():
            if weight_map.get(name) != file:
                elsewhere = f"is in {weight_map[name]}" if name in weight_map else "is unknown"
                raise _IndexError(f"{file} has {one_line(name)}, which by the index {elsewhere}")
            tensors[name] = tensor
    missing = next((name for name in weight_map if name not in tensors), None)
    if missing is not None:
        raise _IndexError(f"{one_line(missing)} is not in {weight_map[missing]}")
    return tensors
