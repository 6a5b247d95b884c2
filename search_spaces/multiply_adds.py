"""Multiply-adds of a network, counted from its layers: what an image costs, whatever the machine."""

import math
from typing import Any


def multiply_adds(model: Any) -> int:
    """Of a forward pass of one image through the convolutions and dense layers of a functional or sequential `keras.Model` of fixed size;
    a multiplication and the addition that follows it count once, and biases, normalisations, activations and resizing not at all.

    A kernel is applied at each place of what its layer yields, a transposed one at each place of what it takes; a layer that is used twice
    counts twice. A network within it counts at the size for which it was built.
    """
    graph = getattr(model, "_functional", model)  # what a Sequential runs
    return sum(_of_use(node) for nodes in graph._nodes_by_depth.values() for node in nodes)


def _of_use(node: Any) -> int:
    """Of one call of a layer, as Keras's graph has it."""
    from keras import Model, layers

    layer = node.operation
    if isinstance(layer, Model):
        return multiply_adds(layer)
    if isinstance(layer, layers.SeparableConv2D):
        kernels = [layer.depthwise_kernel, layer.pointwise_kernel]
    elif isinstance(layer, layers.Conv2D | layers.Conv2DTranspose | layers.DepthwiseConv2D | layers.Dense):
        kernels = [layer.kernel]
    else:
        return 0
    where = node.input_tensors[0] if isinstance(layer, layers.Conv2DTranspose) else node.outputs[0]
    return math.prod(where.shape[1:-1]) * sum(math.prod(kernel.shape) for kernel in kernels)
