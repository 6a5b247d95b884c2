"""Multiply-adds of a network, counted from its layers: the cost of an image on any machine."""

import math
from typing import Any


def multiply_adds(model: Any) -> int:
    """Multiply-adds of a forward pass of one image through a functional or sequential `keras.Model` of fixed size.

    Convolutions, dense layers and the two products of an attention count; biases, normalisations, activations and
    resizing do not. A multiplication and the addition after it count once. A kernel is applied at each position of its
    layer's output, a transposed one at each position of the input. A layer that is used twice counts twice. A nested
    network counts at the size for which it was built.
    """
    graph = getattr(model, "_functional", model)  # what a Sequential runs
    return sum(_of_use(node) for nodes in graph._nodes_by_depth.values() for node in nodes)


def _of_use(node: Any) -> int:
    """Multiply-adds of one call of a layer in Keras's graph."""
    from keras import Model, layers

    layer = node.operation
    if isinstance(layer, Model):
        return multiply_adds(layer)
    if isinstance(layer, layers.Attention):
        query, value, *_ = node.input_tensors
        return _of_attention(query, value, query.shape[-1] + value.shape[-1])
    if isinstance(layer, layers.MultiHeadAttention):
        query, value, *_ = node.input_tensors
        width = layer.num_heads * layer.key_dim
        of_query, of_value = (math.prod(each.shape[1:-1]) * each.shape[-1] * width for each in (query, value))
        # Query and output are as large as the query's map, key and value as the value's.
        return 2 * of_query + 2 * of_value + _of_attention(query, value, 2 * width)
    if isinstance(layer, layers.SeparableConv2D):
        kernels = [layer.depthwise_kernel, layer.pointwise_kernel]
    elif isinstance(layer, layers.Conv2D | layers.Conv2DTranspose | layers.DepthwiseConv2D | layers.Dense):
        kernels = [layer.kernel]
    else:
        return 0
    where = node.input_tensors[0] if isinstance(layer, layers.Conv2DTranspose) else node.outputs[0]
    return math.prod(where.shape[1:-1]) * sum(math.prod(kernel.shape) for kernel in kernels)


def _of_attention(query: Any, value: Any, channels: int) -> int:
    """Of comparing every position of `query` with every one of `value`, and of adding what was found."""
    return math.prod(query.shape[1:-1]) * math.prod(value.shape[1:-1]) * channels
