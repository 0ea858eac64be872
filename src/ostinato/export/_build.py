"""Writing a graph node by node: what is fixed is NumPy, what flows is a name."""

from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

Value: TypeAlias = "str | np.ndarray | np.generic"
FLOAT, DOUBLE, HALF, WHOLE = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64


class Builder:
    """A graph in the making.

    Any operator of ONNX is a method: inputs are names of values or arrays, which
    become constants; attributes are keywords; the name of the first output comes back.

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
        """Change the type of a value."""
        return str(self.Cast(value, to=to))

    def length(self, value: str, axis: int = 0) -> str:
        """Return the length of an axis as a whole number without axes."""
        return str(self.Gather(self.Shape(value), np.int64(axis)))

    def count(self, stop: Value) -> str:
        """Count from 0 up to a whole number, exclusive."""
        return str(self.Range(np.int64(0), stop, np.int64(1)))

    def include(self, model: onnx.ModelProto, inputs: dict[str, str], prefix: str = "network/") -> dict[str, str]:
        """Put another graph into this one.

        Parameters
        ----------
        model : onnx.ModelProto
        inputs : dict of str to str
            What each of its inputs is fed with.
        prefix : str
            Of its names here.

        Returns
        -------
        dict of str to str
            What its outputs are called here.
        """
        graph = compose.add_prefix_graph(model.graph, prefix)
        self.nodes += [
            helper.make_node("Identity", [inputs[old.name]], [new.name])
            for old, new in zip(model.graph.input, graph.input, strict=True)
        ]
        self.nodes += graph.node
        self.weights += graph.initializer
        return {old.name: new.name for old, new in zip(model.graph.output, graph.output, strict=True)}

    def _name_of(self, value: Value) -> str:
        """Return the name of a value; the same constant is kept once."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        key = (array.tobytes(), str(array.dtype), array.shape)
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return self.constants[key].name
