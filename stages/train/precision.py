"""Configures TensorFlow (threads, data type, determinism, memory) and converts models between data types."""

import ctypes
import json
import platform
import re

import keras
import tensorflow as tf

from stages.common.stage import StageError


def prepare(threads: int, dtype: str, seed: int = 0, device: str = "cpu", replicas: int = 1) -> None:
    """Set everything that results depend on; call once, before TensorFlow runs.

    `threads` are those within and between operations. `dtype` is "float32", "float64", "mixed_float16" or
    "mixed_bfloat16", for all layers built later. `seed` is that of initial weights and random layers. `replicas` are
    GPUs that are needed (`StageError` if TensorFlow sees fewer), or logical devices of the CPU.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if device == "gpu":
        gpus = tf.config.list_physical_devices("GPU")
        if len(gpus) < replicas:
            raise StageError(
                f"train.device is gpu and train.replicas {replicas}, but TensorFlow sees {len(gpus)} GPUs; install its "
                "CUDA libraries (`pip install tensorflow[and-cuda]`), or set train.device to cpu"
            )
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)  # several variants can share a GPU
    else:
        tf.config.set_visible_devices([], "GPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * replicas
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    tf.config.experimental.enable_op_determinism()
    keras.config.set_image_data_format("channels_last")  # overrides the user's keras.json
    keras.config.set_epsilon(1e-7)
    keras.utils.set_random_seed(seed)
    use(dtype)
    _keep_freed_memory()


def strategy(device: str, replicas: int) -> tf.distribute.Strategy:
    """The strategy for replicas on this machine: the default for one, mirrored variables for several."""
    if replicas == 1:
        return tf.distribute.get_strategy()
    # on a CPU, plain sums in the order of the replicas: collective ones fail in the second training of a process
    sums = tf.distribute.ReductionToOneDevice() if device == "cpu" else None
    return tf.distribute.MirroredStrategy([f"{device}:{number}" for number in range(replicas)], sums)


def convert(model: keras.Model, dtype: str) -> keras.Model:
    """A copy of `model` with weights and computation in `dtype`, which becomes the default for new layers."""
    use(dtype)
    config = json.dumps(keras.saving.serialize_keras_object(model))
    config = re.sub('"(float32|float64|mixed_float16|mixed_bfloat16)"', f'"{dtype}"', config)  # each layer has its own
    copy = keras.saving.deserialize_keras_object({**json.loads(config), "compile_config": None})
    copy.set_weights(model.get_weights())
    return copy


def use(dtype: str) -> None:
    """Make `dtype` the default for new layers."""
    keras.config.set_floatx("float64" if dtype == "float64" else "float32")
    keras.config.set_dtype_policy(dtype)


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory: returning it and requesting it again took half of the training time."""
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt  # numbers as in malloc.h
    mallopt(-4, 0)  # M_MMAP_MAX: large blocks come from the heap
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never return the top of the heap
    mallopt(-8, 1)  # M_ARENA_MAX: one heap for all threads
