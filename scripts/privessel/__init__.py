"""Differentially private sharing of labelled brain-vessel images: the library behind the workflow."""

__version__ = "0.1.0"
