//! Operators that bring several elements together.

use crate::{
    error::Result,
    proto::Node,
    tape::Tape,
    tensor::{elements, positive},
};

/// Sums give every element the whole of g, means its share.
pub(super) fn reduce(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let shape = tape.shape_of(node, 0)?;
    let axes = if node.op_type == "GlobalAveragePool" {
        (2..shape.len()).collect()
    } else {
        tape.network.known().axes(node)?
    };
    let kept: Vec<usize> = (0..shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] }).collect();
    let mut part = tape.reshaped(g, tape.shape(&node.output[0])?, &kept);
    if node.op_type != "ReduceSum" {
        let count = elements(&axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>())?;
        #[expect(clippy::cast_precision_loss, reason = "the number of elements of an average")]
        let share = tape.number(1.0 / count.max(1) as f32);
        part = tape.op("Mul", &[&part, &share]);
    }
    let part = tape.expanded(&part, shape);
    tape.give(node, 0, part)
}

/// y (g − Σ g y).
pub(super) fn softmax(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let output = &node.output[0];
    let axis = positive(node.int("axis", -1), tape.shape(output)?.len())?;
    let product = tape.op("Mul", &[g, output]);
    let sum = tape.summed(&product, &[axis]);
    let away = tape.op("Sub", &[g, &sum]);
    let part = tape.op("Mul", &[&away, output]);
    tape.give(node, 0, part)
}
