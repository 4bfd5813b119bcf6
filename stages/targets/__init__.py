"""Colour to gray by closed formulae, on whole photographs; and cutting both into patches. No learning."""
