"""The private U-Net: one from a public start, trained on patients with clipped gradients and noise."""
