"""Attribution: the parts of an input that a prediction rests on, by integrated gradients.

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
    answer: Callable[..., Tensor], inputs: Sequence[np.ndarray], baselines: Sequence[np.ndarray], steps: int = STEPS
) -> list[np.ndarray]:
    """Add up the gradients on the straight way from a baseline to the inputs.

    Parameters
    ----------
    answer : callable
        Gives of tensors shaped as the inputs one number, such as a class's logit.
    inputs, baselines : sequence of np.ndarray
        Of the same shapes.
    steps : int
        Points on the way, at the middle of each part.

    Returns
    -------
    list of np.ndarray
        Shaped as the inputs. All of them add up to ``answer(inputs) - answer(baselines)``,
        but for what the steps are too coarse for.
    """
    ends = [(torch.from_numpy(a).float(), torch.from_numpy(b).float()) for a, b in zip(inputs, baselines, strict=True)]
    total = [torch.zeros_like(x) for x, _ in ends]
    for step in range(steps):
        share = (step + 0.5) / steps
        points = [(b + share * (x - b)).requires_grad_() for x, b in ends]
        for sum_, gradient in zip(total, torch.autograd.grad(answer(*points), points), strict=True):
            sum_ += gradient / steps
    return [(g * (x - b)).numpy() for g, (x, b) in zip(total, ends, strict=True)]


def class_logit(network: nn.Module, position: int) -> Callable[..., Tensor]:
    """Return what is explained of a network: a class's logit, its mean over chunks."""
    return lambda *inputs: network(*inputs)[:, position].mean()


def shuffle_weights(network: nn.Module, seed: int) -> nn.Module:
    """Make a network of the same shape whose weights are drawn anew.

    Parameters
    ----------
    network : nn.Module
        Left as it is.
    seed : int

    Returns
    -------
    nn.Module
        Each array of weights is normal with the mean and deviation of the one it replaces.
    """
    made, generator = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in made.parameters():
            deviation = weights.std() if weights.numel() > 1 else weights.abs().max()
            weights.copy_(weights.mean() + deviation * torch.randn(weights.shape, generator=generator))
    return made.eval()


def similarity(
    one: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    baselines: Sequence[np.ndarray],
) -> float:
    """Return the rank correlation of two attributions of the same inputs, less what the inputs themselves bring in.

    Parameters
    ----------
    one, other : sequence of np.ndarray
        By `integrated_gradients`: each is a mean gradient times the way from the
        baseline, which two maps share whatever the networks learnt, and so is divided by.
    inputs, baselines : sequence of np.ndarray

    Returns
    -------
    float
        1: the same map; about 0: another one. 0 if either is flat.
    """
    way = np.concatenate([(x - b).ravel() for x, b in zip(inputs, baselines, strict=True)])
    there = way != 0
    flat = [np.concatenate([part.ravel() for part in parts])[there] / way[there] for parts in (one, other)]
    if any(not len(values) or np.ptp(values) == 0 for values in flat):
        return 0.0
    return float(spearmanr(*flat).statistic)
