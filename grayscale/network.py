"""Run a trained network from an ONNX file by ONNX Runtime. A hostile file can't make it read, write or run anything."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from grayscale import onnx_file
from grayscale.damage import PLANES
from grayscale.models import ModelError

MAX_MEMORY = 2 << 30  # bytes for activations, of all networks of a process together
SILENT = 4  # ONNX Runtime's log level; its exceptions have the same text
CHANNELS = (1, 3, 3 + len(PLANES))
MAX_SIDE = 4096  # pixels, of a patch, a cell and a margin


@dataclass(frozen=True)
class Network:
    """A trained network; threads may share it.

    Attributes:
        reach: for a network that takes any size, its cell, which must divide the sides, and its margin, an upper bound
            of the radius of its receptive field and a multiple of the cell; pixels. None: the sides must be `patch`.
    """

    file: Path
    session: onnxruntime.InferenceSession
    channels: int  # of the input: 1 for gray, 3 for colour, or colour and `damage.PLANES`
    patch: int  # side of the training patches, pixels; even
    reach: tuple[int, int] | None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images `(n, height, width, channels)` float32 in [0, 1] → `(n, height, width, 1 or 3)` in [0, 1].

        Raises:
            ModelError: the network fails, needs more than `MAX_MEMORY`, or its output is no such image.
        """
        (given,) = self.session.get_inputs()
        try:
            (output,) = self.session.run(None, {given.name: images})
        except Exception as error:  # a damaged or hostile file can raise anything
            raise ModelError(f"{self.file}: can't be run: {_first_line(error)}") from error
        if output.shape[:3] != images.shape[:3] or output.shape[3:] not in ((1,), (3,)):
            raise ModelError(f"{self.file}: makes outputs {output.shape} from images {images.shape}")
        if np.isnan(output.min(initial=0)):
            raise ModelError(f"{self.file}: its output is not a number (NaN)")
        return np.clip(output, 0, 1, out=output)


def load(path: Path, threads: int = 1) -> Network:
    """Load a model file as the training writes it; each call uses `threads` threads.

    Raises:
        ModelError: the file is missing, or not one graph from images to images, of standard operators, with all weights
            inside and with the metadata patch, cell and margin.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        content = onnx_file.read(path)
        network = _checked(path, _session(content, threads))
    except onnx_file.OnnxFileError as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # a damaged or hostile file can raise anything
        raise ModelError(f"{path}: can't be loaded: {_first_line(error)}") from error
    if network is None:
        raise ModelError(f"{path}: is no network for photographs: its input, output or metadata do not fit")
    return network


def _checked(path: Path, session: onnxruntime.InferenceSession) -> Network | None:
    """The network, if its metadata, input and output are valid."""
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
    """ONNX Runtime on the CPU, from bytes: without a path, it looks for no files beside the model."""
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
        enable_fallback=0,  # it would print, and try again
        disabled_optimizers=["ConstantFolding"],  # it would compute without a bound while loading
    )


@cache
def _prepare() -> None:
    """Give all networks one memory arena of at most `MAX_MEMORY`."""
    onnxruntime.set_default_logger_severity(SILENT)
    info = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = 1  # blocks of the requested size, not of the next power of two
    limits = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": as_requested})
    onnxruntime.create_and_register_allocator(info, limits)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
