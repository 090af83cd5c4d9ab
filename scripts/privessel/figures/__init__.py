"""Figures and tables of the study: arrays and data frames in, matplotlib figures out."""
