"""The generative adversarial network: nets, losses, the private critic, and the loop that trains them."""
