"""Building a graph node by node: constants are NumPy arrays, values are names."""

from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

Value: TypeAlias = "str | np.ndarray | np.generic"
FLOAT, DOUBLE, HALF, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64


class Builder:
    """A graph builder.

    Every operator of ONNX is a method: inputs are names of values or arrays, which
    become constants; attributes are keywords; it returns the name of the first output.

    Examples
    --------
    >>> op = Builder()
    >>> op.Add("x", op.Neg("y"))
    'Add_1'
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[bytes, str, tuple[int, ...]], onnx.TensorProto] = {}
        self.weights: list[onnx.TensorProto] = []

    def __getattr__(self, operator: str) -> Any:
        if not operator[0].isupper():
            raise AttributeError(operator)

        def add(*inputs: Value, **attributes: Any) -> str:
            name = f"{operator}_{len(self.nodes)}"
            self.nodes.append(
                helper.make_node(operator, [self._name_of(i) for i in inputs], [name], name, **attributes)
            )
            return name

        return add

    def cast(self, value: Value, to: int) -> str:
        """Cast a value."""
        return str(self.Cast(value, to=to))

    def length(self, value: str, axis: int = 0) -> str:
        """Return the length of an axis as an integer scalar."""
        return str(self.Gather(self.Shape(value), np.int64(axis)))

    def count(self, stop: Value) -> str:
        """Return the integers from 0 to `stop`, exclusive."""
        return str(self.Range(np.int64(0), stop, np.int64(1)))

    def include(self, model: onnx.ModelProto, inputs: dict[str, str], prefix: str = "network/") -> dict[str, str]:
        """Add another graph to this one.

        Parameters
        ----------
        model : onnx.ModelProto
        inputs : dict of str to str
            Value for each of its inputs.
        prefix : str
            Prefix of its names.

        Returns
        -------
        dict of str to str
            Names of its outputs in this graph.
        """
        graph = compose.add_prefix_graph(model.graph, prefix)
        self.nodes += [
            helper.make_node("Identity", [inputs[before.name]], [after.name])
            for before, after in zip(model.graph.input, graph.input, strict=True)
        ]
        self.nodes += graph.node
        self.weights += graph.initializer
        return {before.name: after.name for before, after in zip(model.graph.output, graph.output, strict=True)}

    def _name_of(self, value: Value) -> str:
        """Return the name of a value; equal constants are shared."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        key = (array.tobytes(), str(array.dtype), array.shape)
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return self.constants[key].name
