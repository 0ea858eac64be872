"""Attributions of a prediction to its input, by integrated gradients.

References
----------
M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

STEPS = 64


def integrated_gradients(
    function: Callable[..., Tensor], inputs: Sequence[np.ndarray], baselines: Sequence[np.ndarray], steps: int = STEPS
) -> list[np.ndarray]:
    """Integrate the gradients along the straight path from a baseline to the inputs.

    Parameters
    ----------
    function : callable
        From tensors shaped like the inputs to one number, such as a class's logit.
    inputs, baselines : sequence of np.ndarray
        Of the same shapes.
    steps : int
        Number of points on the path, at the midpoints.

    Returns
    -------
    list of np.ndarray
        Shaped like the inputs. Together they sum to ``function(inputs) - function(baselines)``,
        up to the error of the steps.
    """
    ends = [(torch.from_numpy(a).float(), torch.from_numpy(b).float()) for a, b in zip(inputs, baselines, strict=True)]
    total = [torch.zeros_like(x) for x, _ in ends]
    for step in range(steps):
        share = (step + 0.5) / steps
        points = [(b + share * (x - b)).requires_grad_() for x, b in ends]
        for sum_, gradient in zip(total, torch.autograd.grad(function(*points), points), strict=True):
            sum_ += gradient / steps
    return [(g * (x - b)).numpy() for g, (x, b) in zip(total, ends, strict=True)]


def class_logit(network: nn.Module, position: int) -> Callable[..., Tensor]:
    """Return the function to explain: a class's logit, averaged over chunks."""
    return lambda *inputs: network(*inputs)[:, position].mean()


def shuffle_weights(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy of a network with random weights.

    Parameters
    ----------
    network : nn.Module
        Not changed.
    seed : int

    Returns
    -------
    nn.Module
        Each parameter is drawn from a normal distribution with its former mean and deviation.
    """
    copy_, generator = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in copy_.parameters():
            deviation = weights.std() if weights.numel() > 1 else weights.abs().max()
            weights.copy_(weights.mean() + deviation * torch.randn(weights.shape, generator=generator))
    return copy_.eval()


def similarity(
    one: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    baselines: Sequence[np.ndarray],
) -> float:
    """Return the rank correlation of two attributions of the same inputs, without the inputs' own effect.

    Parameters
    ----------
    one, other : sequence of np.ndarray
        From `integrated_gradients`: mean gradients times the difference from the baseline.
        Both maps share this factor, whatever the networks learnt, so it is divided out.
    inputs, baselines : sequence of np.ndarray

    Returns
    -------
    float
        1 for equal maps, about 0 for unrelated ones; 0 if either is constant.
    """
    delta = np.concatenate([(x - b).ravel() for x, b in zip(inputs, baselines, strict=True)])
    nonzero = delta != 0
    flat = [np.concatenate([part.ravel() for part in parts])[nonzero] / delta[nonzero] for parts in (one, other)]
    if any(not len(values) or np.ptp(values) == 0 for values in flat):
        return 0.0
    return float(spearmanr(*flat).statistic)
