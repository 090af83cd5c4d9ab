"""Scores of segmentations, and the tables and choices made from them."""
