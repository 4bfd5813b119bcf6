"""A trained network from an ONNX file, run by ONNX Runtime. No file can make it read, write or run anything else."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from grayscale import onnx_file
from grayscale.damage import PLANES
from grayscale.models import ModelError

MAX_MEMORY = 2 << 30  # bytes for the values between layers, of all networks of a process together
SILENT = 4  # of ONNX Runtime's levels; its exceptions say the same
CHANNELS = (1, 3, 3 + len(PLANES))
MAX_SIDE = 4096  # pixels; of a patch, a cell and a margin


@dataclass(frozen=True)
class Network:
    """A trained network, ready to run; several threads may do so.

    Attributes:
        reach: of one that takes any size, its cell, which must divide the sides, and its margin, an upper bound of its
            receptive field's radius, a multiple of the cell; pixels. None: the sides must be `patch`.
    """

    file: Path  # that it came from
    session: onnxruntime.InferenceSession
    channels: int  # that it sees: 3; 1 if it sees gray; or colour and `damage.PLANES`
    patch: int  # the side that it was trained on, pixels; even
    reach: tuple[int, int] | None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images `(n, height, width, channels)` in [0, 1], float32, to outputs `(n, height, width, 1 or 3)` in [0, 1].

        Raises:
            ModelError: the network fails, needs more than `MAX_MEMORY`, or makes something else.
        """
        (given,) = self.session.get_inputs()
        try:
            (output,) = self.session.run(None, {given.name: images})
        except Exception as error:  # whatever a damaged or hostile file makes of it
            raise ModelError(f"{self.file}: can't be run: {_first_line(error)}") from error
        if output.shape[:3] != images.shape[:3] or output.shape[3:] not in ((1,), (3,)):
            raise ModelError(f"{self.file}: makes {output.shape} of images {images.shape}")
        if np.isnan(output.min(initial=0)):
            raise ModelError(f"{self.file}: makes values that are no numbers")
        return np.clip(output, 0, 1, out=output)


def load(path: Path, threads: int = 1) -> Network:
    """A model file as the training writes it; each call will use so many threads.

    Raises:
        ModelError: the file is not there, or not one graph of ONNX's own operators with all weights inside, from images
            to images, whose metadata say how to run it on photographs.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if path.suffix != ".onnx":
        raise ModelError(f"{path}: a model is a file that ends in .onnx")
    try:
        content = onnx_file.read(path)
        network = _described(path, _session(content, threads))
    except onnx_file.OnnxFileError as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # whatever a damaged or hostile file makes of it
        raise ModelError(f"{path}: can't be loaded: {_first_line(error)}") from error
    if network is None:
        raise ModelError(f"{path}: is no network from images to images that says how it is run on photographs")
    return network


def _described(path: Path, session: onnxruntime.InferenceSession) -> Network | None:
    """The network with its metadata, if they and its input and output are as they must be."""
    shapes = [
        [end.shape if end.type == "tensor(float)" else None for end in ends]
        for ends in (session.get_inputs(), session.get_outputs())
    ]
    facts = session.get_modelmeta().custom_metadata_map
    numbers = {name: int(value) for name, value in facts.items() if re.fullmatch("[0-9]{1,4}", value)}
    patch, cell, margin = numbers.get("patch", 0), numbers.get("cell", 0), numbers.get("margin")
    if not 0 < patch <= MAX_SIDE or patch % 2:
        return None
    match shapes:
        case [[[_, height, width, channels]], [[_, _, _, _]]] if channels in CHANNELS:
            if margin is not None and 0 < cell <= MAX_SIDE and margin <= MAX_SIDE and margin % cell == 0:
                return Network(path, session, channels, patch, (cell, margin))
            if facts.keys() == {"patch"} and height == width == patch:
                return Network(path, session, channels, patch, None)
    return None


def _session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the processor, from bytes: without a path, it looks for nothing beside the file."""
    _prepare()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(
        content,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # which would print, and try again
        disabled_optimizers=["ConstantFolding"],  # which would compute, while loading, as much as a file says
    )


@cache
def _prepare() -> None:
    """Give ONNX Runtime one memory for all networks, which refuses what is beyond `MAX_MEMORY`."""
    onnxruntime.set_default_logger_severity(SILENT)
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_asked = 1  # blocks of the size that is needed, not of the next power of two
    limits = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": as_asked})
    onnxruntime.create_and_register_allocator(where, limits)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
