"""Import TensorFlow quietly, and without packages that Keras imports only because they are installed."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL_FOR_KERAS = ("sklearn", "matplotlib")  # a third of Keras's import time, for features that no stage uses


@contextmanager
def tensorflow_import() -> Iterator[None]:
    """Wrap the imports. TensorFlow logs to file descriptor 2; its output is shown if the import fails."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # keras.json of the user may differ
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # C++ logs; errors reach Python as exceptions
    unwanted = [name for name in OPTIONAL_FOR_KERAS if name not in sys.modules]
    for name in unwanted:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` raise ImportError
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            for name in unwanted:
                del sys.modules[name]
