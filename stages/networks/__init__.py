"""One network per file, with its name in `stages/networks/registry.py`; shared layers are in `layers.py`.

Contract: `build(*, patch, inputs, outputs, **options) -> keras.Model` maps `(batch, patch, patch, inputs)` in [0, 1] to
`(batch, patch, patch, outputs)`; every layer has a name; the output of the layer `latent` is the code.

If all layers are local, a network can convert images of any size, and has `reach(**options) -> (cell, margin)`, in
pixels. `cell` must divide the sides of an image: it is 4 if the image is halved twice. `margin`, a multiple of `cell`,
is an upper bound of the distance at which a pixel changes another. A layer with a window of k × k adds at most k − 1,
counted in pixels of its input or output, whichever is finer. Without `reach`, overlapping patches are converted.
"""
