//! Operators that move elements and change none.

use crate::{error::Result, proto::Node, shape::permutation, tape::Tape, tensor::positive};

/// Back to the input's shape.
pub(super) fn reshape(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let part = tape.reshaped(g, tape.shape(&node.output[0])?, tape.shape_of(node, 0)?);
    tape.give(node, 0, part)
}

/// The opposite permutation.
pub(super) fn transpose(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let forward = permutation(node, tape.shape_of(node, 0)?.len())?;
    let mut back = vec![0; forward.len()];
    for (to, &from) in forward.iter().enumerate() {
        back[from] = to as i64;
    }
    let part = tape.push(|output| Node::new("Transpose", &[g], output).with_ints("perm", back));
    tape.give(node, 0, part)
}

/// To each operand its own stretch.
pub(super) fn concat(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let axis = positive(node.int("axis", 0), tape.shape(&node.output[0])?.len())?;
    let mut from = 0;
    for index in 0..node.input.len() {
        let to = from + tape.shape_of(node, index)?[axis] as i64;
        if tape.wants(node, index) {
            let [starts, ends, axes] = [from, to, axis as i64].map(|value| tape.integers(vec![value]));
            let part = tape.op("Slice", &[g, &starts, &ends, &axes]);
            tape.give(node, index, part)?;
        }
        from = to;
    }
    Ok(())
}

/// What was added is cut off.
pub(super) fn pad(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let pads = tape.network.known().integers(node, 1)?.unwrap_or_default();
    let (rank, shape) = (pads.len() / 2, tape.shape_of(node, 0)?);
    let starts = tape.integers(pads[..rank].to_vec());
    let ends = tape.integers((0..rank).map(|axis| pads[axis] + shape[axis] as i64).collect());
    let axes = tape.integers((0..rank as i64).collect());
    let part = tape.op("Slice", &[g, &starts, &ends, &axes]);
    tape.give(node, 0, part)
}

/// What was cut off gets 0.
pub(super) fn slice(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let known = tape.network.known();
    let (starts, ends) = (known.integers(node, 1)?.unwrap_or_default(), known.integers(node, 2)?.unwrap_or_default());
    let shape = tape.shape_of(node, 0)?;
    let after = shape.iter().zip(ends).map(|(&size, end)| size as i64 - end);
    let pads = tape.integers(starts.iter().copied().chain(after).collect());
    let part = tape.op("Pad", &[g, &pads]);
    tape.give(node, 0, part)
}
