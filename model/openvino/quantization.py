"""Products with weights in 8 bits, for CPUs that have instructions for them."""

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    import openvino

GROUP = 128
"""Inputs of a product that share a scale, found for each row as it comes."""


def available() -> bool:
    """True if the CPU has AVX-512's instructions for 8-bit products, which gain time and lose nothing.

    Without them, the plugin turns the weights back into floats at each step.
    """
    return bool(torch.cpu.get_capabilities().get("avx512_vnni", False))


def quantized(model: "openvino.Model") -> "openvino.Model":
    """Copies a network with its products' weights in 8 bits, scaled output by output to the largest weight.

    Products with fewer inputs than `GROUP` stay as they are: the plugin does not quantize these. It multiplies in
    integers, whose sums are exact, so that a row still depends on nothing in the others.
    """
    from openvino import opset13

    model = model.clone()
    for product in model.get_ops():
        if product.get_type_name() != "MatMul" or product.input_value(1).get_node().get_type_name() != "Constant":
            continue
        weight = product.input_value(1).get_node().data
        inputs = 1 if product.get_attributes()["transpose_b"] else 0
        if weight.ndim != 2 or weight.shape[inputs] < GROUP:
            continue
        scale = np.maximum(np.abs(weight).max(inputs, keepdims=True), np.finfo(np.float32).tiny) / 127
        rounded = opset13.convert(opset13.constant(np.round(weight / scale).astype(np.int8)), "f32")
        scaled = opset13.multiply(rounded, opset13.constant(scale.astype(np.float32)))
        product.input(1).replace_source_output(scaled.output(0))
    model.validate_nodes_and_infer_types()
    return model
