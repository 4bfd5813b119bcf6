"""One network per file, named as in `stages/networks/registry.py`; what they share is in `layers.py`.

Contract: `build(*, patch, inputs, outputs, **options) -> keras.Model` maps `(batch, patch, patch, inputs)` in [0, 1] to
`(batch, patch, patch, outputs)`; every layer is named; the encoded image is the output of the layer `latent`.
"""
