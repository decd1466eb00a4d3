//! The derivative of each operator: from what came back to its output to what goes back to its inputs.
//!
//! Written as vector–Jacobian products: `g` is ∂s/∂y for some scalar s, a rule gives ∂s/∂x for each input x between the
//! network's input and its output.

mod convolution;
mod dense;
mod layout;
mod pointwise;
mod pool;
mod reduction;

use crate::{error::Result, proto::Node, tape::Tape};

/// Hands on what came back to the node's output.
pub(crate) fn derive(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    match node.op_type.as_str() {
        "Conv" => convolution::conv(tape, node, g),
        "ConvTranspose" => convolution::transposed(tape, node, g),
        "Gemm" => dense::gemm(tape, node, g),
        "MatMul" => dense::matmul(tape, node, g),
        "Add" | "Sub" => pointwise::sum(tape, node, g),
        "Mul" => pointwise::product(tape, node, g),
        "Div" => pointwise::quotient(tape, node, g),
        "Relu" | "Clip" => pointwise::clipped(tape, node, g),
        "HardSwish" => pointwise::hard_swish(tape, node, g),
        "HardSigmoid" => pointwise::hard_sigmoid(tape, node, g),
        "Sigmoid" => pointwise::sigmoid(tape, node, g),
        "Tanh" => pointwise::tanh(tape, node, g),
        "BatchNormalization" => pointwise::batch_normalisation(tape, node, g),
        "Softmax" => reduction::softmax(tape, node, g),
        "GlobalAveragePool" | "ReduceMean" | "ReduceSum" => reduction::reduce(tape, node, g),
        "AveragePool" => pool::average(tape, node, g),
        "MaxPool" => pool::maximum(tape, node, g),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => layout::reshape(tape, node, g),
        "Transpose" => layout::transpose(tape, node, g),
        "Concat" => layout::concat(tape, node, g),
        "Pad" => layout::pad(tape, node, g),
        "Slice" => layout::slice(tape, node, g),
        _ => Err(node.unsupported("it is not one of the operators that are known")),
    }
}
