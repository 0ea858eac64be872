"""Initialisation of weights."""

from typing import Literal, TypeAlias

from torch import nn

Initial: TypeAlias = Literal["glorot", "gaussian"]
INITIAL = ("glorot", "gaussian")


def initialise(network: nn.Module, how: Initial = "glorot") -> None:
    """Draw the kernels; biases become 0, those of an LSTM's forget gates 1.

    Parameters
    ----------
    network : nn.Module
    how : {"glorot", "gaussian"}
        Glorot uniform kernels and orthogonal recurrent ones, or all of variance 1.
    """
    for name, parameter in network.named_parameters():
        kind = name.rsplit(".", 1)[-1]
        if kind.startswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1 and how == "gaussian":
            nn.init.normal_(parameter)
        elif kind.startswith("weight_hh"):
            nn.init.orthogonal_(parameter)
        elif parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for layer in network.modules():
        if isinstance(layer, nn.LSTM):
            for number in range(layer.num_layers):
                bias = getattr(layer, f"bias_ih_l{number}")
                nn.init.ones_(bias.data[layer.hidden_size : 2 * layer.hidden_size])
