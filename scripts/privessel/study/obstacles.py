"""What a GAN of Kossen et al. 2021 asks of its critic, and which of it can be had with privacy."""


def private_obstacles(
    *, critic_norm: str, spectral_norm: bool, loss: str, gradient_penalty: float
) -> list[str]:
    """Return why such a critic's gradient cannot be bounded sample by sample; nothing where it can.

    The keys are those of `GanShape` and `GanTraining`. One sentence a key, in this order.
    """
    obstacles = {
        "critic_norm: batch norm mixes the samples of a batch, so no sample has a gradient of its own that "
        "could be clipped; use instance or none": critic_norm == "batch",
        "spectral_norm: a weight's norm is a function of earlier releases and would tell nothing, but the "
        "clipping engines bound the gradient of the weight that a layer applies, and here the optimiser "
        "moves another one behind it; use weight_clip": spectral_norm,
        "loss: the clipping engines bound the gradient of a sample's score, which is the Wasserstein loss, "
        f"and not of its {loss} loss": loss != "wasserstein",
        "gradient_penalty: every interpolate depends on a real patch, and the penalty's gradient, of second "
        "order in the score, is bounded by no clipping engine; use weight_clip": gradient_penalty > 0,
    }
    return [reason for reason, applies in obstacles.items() if applies]
