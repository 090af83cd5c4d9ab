"""A volume in which it is known what is right, what is wrong and what is missing."""

import numpy as np


def phantom():
    """Return image, truth, prediction: a thick tube low down, a thin one above, one false tube."""
    truth = np.zeros((24, 30, 20), bool)
    truth[8:14, 8:14, 2:8] = True
    truth[15:17, 10:26, 8:18] = True
    prediction = truth.copy()
    prediction[:, :, 12:] = False
    prediction[2:4, 2:4, 4:10] = True
    return np.where(truth, 900, 300).astype(np.float32), truth, prediction
