"""A tool, not a stage: photographs of any size to grayscale, with a trained model or a closed form."""
