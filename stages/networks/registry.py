"""The networks that params.yaml may name, each with its options and their lowest and highest allowed value.

A name is also the file: `simple` is built by `stages/networks/simple.py`. The bounds' type is the option's type.
Nothing but this literal lives here, because DVC reads it as params: a stage depends on its own network's entry only,
so that a new entry makes nothing stale.
"""

NETWORKS: dict[str, dict[str, list[float]]] = {
    "simple": {},
    "bottleneck": {"latent_divisor": [1, 784], "linear": [0, 1]},
    "vae": {"latent": [1, 784], "sigma": [0.001, 1.0]},
    "subpixel": {},
    "adaptive": {"latent": [2, 784], "sets": [1, 1024]},
    "denoise": {"channels": [4, 128], "blocks": [1, 16]},
}
