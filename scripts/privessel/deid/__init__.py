"""Whole heads: de-identified by a GAN that keeps the brain, and compared with the usual ways."""
