"""The networks that params.yaml may name, with their options and the lowest and highest value of each.

`simple` is built by `stages/networks/simple.py`, and so on; `stages/networks/__init__.py` says what such a file needs.
The type of the bounds is the type of the option. DVC reads this literal as params: a stage depends only on the entry of
its own network.
"""

NETWORKS: dict[str, dict[str, list[float]]] = {
    "simple": {},
    "bottleneck": {"latent_divisor": [1, 784], "linear": [0, 1]},
    "vae": {"latent": [1, 784], "sigma": [0.001, 1.0]},
    "subpixel": {},
    "adaptive": {"latent": [2, 784], "sets": [1, 1024]},
    "denoise": {"channels": [4, 128], "blocks": [1, 16]},
}
