"""One network per file, with its name in `stages/networks/registry.py`; shared layers are in `layers.py`.

Contract: `build(*, patch, inputs, outputs, **options) -> keras.Model` maps `(batch, patch, patch, inputs)` in [0, 1] to
`(batch, patch, patch, outputs)`; every layer has a name; the output of the layer `latent` is the code.
"""
