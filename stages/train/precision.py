"""How TensorFlow computes: threads, data type, determinism, memory; and moving a model between data types."""

import ctypes
import json
import platform
import re

import keras
import tensorflow as tf

from stages.common.stage import StageError


def prepare(threads: int, dtype: str, seed: int = 0, device: str = "cpu", replicas: int = 1) -> None:
    """Pin what sums depend on; call once, before anything of TensorFlow runs.

    Args:
        threads: within and between operations.
        dtype: "float32", "float64", "mixed_float16" or "mixed_bfloat16", for all layers built from now on.
        seed: of initial weights and of random layers.
        device: "cpu" or "gpu".
        replicas: devices of that kind that are needed on this machine; a processor counts as so many.

    Raises:
        StageError: TensorFlow sees fewer GPUs than that.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if device == "gpu":
        gpus = tf.config.list_physical_devices("GPU")
        if len(gpus) < replicas:
            raise StageError(
                f"train.device is gpu, and TensorFlow sees {len(gpus)} on this machine where {replicas} are needed; "
                "install its CUDA libraries (`pip install tensorflow[and-cuda]`), or set train.device to cpu"
            )
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)  # so that variants can share one
    else:
        tf.config.set_visible_devices([], "GPU")  # another device, other sums
        parts = [tf.config.LogicalDeviceConfiguration()] * replicas
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    tf.config.experimental.enable_op_determinism()
    keras.config.set_image_data_format("channels_last")  # whatever the user's keras.json says
    keras.config.set_epsilon(1e-7)
    keras.utils.set_random_seed(seed)
    _use(dtype)
    _keep_freed_memory()


def strategy(device: str, replicas: int) -> tf.distribute.Strategy:
    """How replicas train together on this machine: one by itself, several as mirrored variables."""
    if replicas == 1:
        return tf.distribute.get_strategy()
    # on the processor, plain sums in the order of the replicas; collective ones fail in a process's second training
    sums = tf.distribute.ReductionToOneDevice() if device == "cpu" else None
    return tf.distribute.MirroredStrategy([f"{device}:{number}" for number in range(replicas)], sums)


def convert(model: keras.Model, dtype: str) -> keras.Model:
    """A copy of `model` that computes in `dtype`, its weights cast; `dtype` becomes the default for new layers."""
    _use(dtype)
    config = json.dumps(keras.saving.serialize_keras_object(model))
    # layers keep the type that they were built with
    config = re.sub('"(float32|float64|mixed_float16|mixed_bfloat16)"', f'"{dtype}"', config)
    copy = keras.saving.deserialize_keras_object({**json.loads(config), "compile_config": None})
    copy.set_weights(model.get_weights())
    return copy


def _use(dtype: str) -> None:
    keras.config.set_floatx("float64" if dtype == "float64" else "float32")
    keras.config.set_dtype_policy(dtype)


def _keep_freed_memory() -> None:
    """Let glibc keep what each step frees: giving it back and asking again took half of the training time."""
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt  # parameters by their numbers in malloc.h
    mallopt(-4, 0)  # M_MMAP_MAX: large blocks from the heap, too
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never give the top of the heap back
    mallopt(-8, 1)  # M_ARENA_MAX: one heap for all threads
