"""The U-Net: net, training and whole-volume prediction."""
