//! Operators that treat every element alike.

use crate::{
    error::{Result, invalid},
    proto::Node,
    tape::Tape,
    tensor::Tensor,
};

/// y = a ± b: g and ±g, summed where an operand was repeated.
pub(super) fn sum(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    for index in 0..2 {
        if tape.wants(node, index) {
            let signed = if node.op_type == "Sub" && index == 1 { tape.op("Neg", &[g]) } else { g.to_owned() };
            operand(tape, node, index, &signed)?;
        }
    }
    Ok(())
}

/// y = a b: g b and g a.
pub(super) fn product(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    for index in 0..2 {
        if tape.wants(node, index) {
            let part = tape.op("Mul", &[g, node.needed(1 - index)?]);
            operand(tape, node, index, &part)?;
        }
    }
    Ok(())
}

/// y = a / b: g / b and −g y / b.
pub(super) fn quotient(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let over = tape.op("Div", &[g, node.needed(1)?]);
    if tape.wants(node, 0) {
        operand(tape, node, 0, &over)?;
    }
    if tape.wants(node, 1) {
        let product = tape.op("Mul", &[&over, &node.output[0]]);
        let part = tape.op("Neg", &[&product]);
        operand(tape, node, 1, &part)?;
    }
    Ok(())
}

/// Gives a part of the output's shape to an operand that may have been repeated.
fn operand(tape: &mut Tape<'_>, node: &Node, index: usize, part: &str) -> Result<()> {
    let part = tape.unbroadcast(part, tape.shape(&node.output[0])?, tape.shape_of(node, index)?);
    tape.give(node, index, part)
}

/// Where the output is strictly within the limits, g; at a limit the derivative is 0, as TensorFlow has it for ReLU and ReLU6.
/// Within is where (y − low)(high − y) is above 0: runtimes multiply much faster than they compare and choose.
pub(super) fn clipped(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    if tape.wants(node, 1) || tape.wants(node, 2) {
        return Err(node.unsupported("its limits depend on the input"));
    }
    let output = &node.output[0];
    let from_zero = |name: &&str| tape.network.constants.get(*name).and_then(Tensor::floats) == Some(&[0.0]);
    let above = if node.op_type == "Relu" || node.optional(1).as_ref().is_some_and(from_zero) {
        Some(output.clone())
    } else {
        node.optional(1).map(|low| tape.op("Sub", &[output, low]))
    };
    let below = node.optional(2).map(|high| tape.op("Sub", &[high, output]));
    let room = match (above, below) {
        (Some(above), Some(below)) => tape.op("Mul", &[&above, &below]),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return tape.give(node, 0, g.to_owned()),
    };
    let part = within(tape, &room, g);
    tape.give(node, 0, part)
}

/// g where `room`, which is never below 0, is above it.
fn within(tape: &mut Tape<'_>, room: &str, g: &str) -> String {
    let mask = tape.op("Sign", &[room]);
    tape.op("Mul", &[g, &mask])
}

/// y = x · clip(x/6 + ½, 0, 1): 0 below −3, 1 above 3, x/3 + ½ between.
pub(super) fn hard_swish(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let input = node.needed(0)?;
    let [third, half, one, low, high] = [1.0 / 3.0, 0.5, 1.0, -3.0, 3.0].map(|value| tape.number(value));
    let scaled = tape.op("Mul", &[input, &third]);
    let slope = tape.op("Add", &[&scaled, &half]);
    let below = tape.op("Less", &[input, &high]);
    let slope = tape.op("Where", &[&below, &slope, &one]);
    let part = tape.op("Mul", &[g, &slope]);
    let above = tape.op("Greater", &[input, &low]);
    let part = tape.masked(&above, &part);
    tape.give(node, 0, part)
}

/// y = clip(αx + β, 0, 1): α where 0 < y < 1.
pub(super) fn hard_sigmoid(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (output, one) = (&node.output[0], tape.number(1.0));
    let alpha = tape.number(node.float("alpha", 0.2));
    let below = tape.op("Sub", &[&one, output]);
    let room = tape.op("Mul", &[output, &below]);
    let part = tape.op("Mul", &[g, &alpha]);
    let part = within(tape, &room, &part);
    tape.give(node, 0, part)
}

/// y (1 − y).
pub(super) fn sigmoid(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (output, one) = (&node.output[0], tape.number(1.0));
    let rest = tape.op("Sub", &[&one, output]);
    let slope = tape.op("Mul", &[output, &rest]);
    let part = tape.op("Mul", &[g, &slope]);
    tape.give(node, 0, part)
}

/// 1 − y².
pub(super) fn tanh(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (output, one) = (&node.output[0], tape.number(1.0));
    let square = tape.op("Mul", &[output, output]);
    let slope = tape.op("Sub", &[&one, &square]);
    let part = tape.op("Mul", &[g, &slope]);
    tape.give(node, 0, part)
}

/// With the statistics of training, a channel's scale: γ / √(σ² + ε).
pub(super) fn batch_normalisation(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let known = tape.network.known();
    let (gamma, variance) = (known.floats(node, 1)?, known.floats(node, 4)?);
    let (Some(gamma), Some(variance)) = (gamma, variance) else {
        return invalid(format!("node \"{}\" (BatchNormalization) lacks its statistics", node.label()));
    };
    let epsilon = node.float("epsilon", 1e-5);
    let scale: Vec<f32> =
        gamma.iter().zip(variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shape = tape.shape_of(node, 0)?;
    if shape.len() < 2 || scale.len() != shape[1] {
        return invalid(format!("node \"{}\" (BatchNormalization) has the statistics of other channels", node.label()));
    }
    let mut along = vec![1; shape.len() - 1];
    along[0] = scale.len();
    let scale = tape.constant(Tensor::float(along, scale));
    let part = tape.op("Mul", &[g, &scale]);
    tape.give(node, 0, part)
}
