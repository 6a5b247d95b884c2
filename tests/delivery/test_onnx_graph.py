"""What tf2onnx leaves for us to mend in a graph."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from scipy.special import erfc

from bench.delivery.export import _without_erfc


def test_erfc_becomes_one_minus_erf_wherever_it_stands() -> None:
    """A GELU is x / 2 * erfc(-x / sqrt 2); here two of them follow each other, without the product."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [5]) for name in ("x", "z")]
    nodes = [
        helper.make_node("Erfc", ["x"], ["y"], name="first"),
        helper.make_node("Neg", ["y"], ["w"], name="between"),
        helper.make_node("Erfc", ["w"], ["z"], name="second"),
    ]
    graph = helper.make_graph(nodes, "gelus", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    _without_erfc(model.graph)
    onnx.checker.check_model(model)
    x = np.array([-2, -0.5, 0, 0.5, 2], np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["z"], {"x": x})[0], erfc(-erfc(x)), atol=1e-5)


def test_a_graph_without_it_stays_as_it_is() -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [5]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "other", values[:1], values[1:])
    before = graph.SerializeToString()
    _without_erfc(graph)
    assert graph.SerializeToString() == before
