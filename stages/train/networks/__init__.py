"""One network per file, named as in `stages/registry.py`; each reads on its own and shares nothing with the others.

Contract: `build(*, patch, inputs, outputs, **options) -> keras.Model` maps `(batch, patch, patch, inputs)` in [0, 1] to
`(batch, patch, patch, outputs)`; every layer is named; the encoded image is the output of the layer `latent`.
"""
