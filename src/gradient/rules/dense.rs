//! Products of matrices.

use crate::{
    error::{Result, invalid},
    proto::Node,
    shape::matrix,
    tape::Tape,
};

/// y = α a′ b′ + β c, where a′ may be a turned around, and b′ b: ∂a′ = α g b′ᵀ, ∂b′ = α a′ᵀ g, ∂c = β g.
pub(super) fn gemm(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (a, b) = (node.needed(0)?, node.needed(1)?);
    let [turned_a, turned_b] = ["transA", "transB"].map(|name| i64::from(node.int(name, 0) != 0));
    let alpha = node.float("alpha", 1.0);
    let product = |left: &str, turn_left: i64, right: &str, turn_right: i64| {
        Node::new("Gemm", &[left, right], "")
            .with_int("transA", turn_left)
            .with_int("transB", turn_right)
            .with_float("alpha", alpha)
    };
    if tape.wants(node, 0) {
        let part = if turned_a == 0 { product(g, 0, b, 1 - turned_b) } else { product(b, turned_b, g, 1) };
        let part = tape.push(|_| part);
        tape.give(node, 0, part)?;
    }
    if tape.wants(node, 1) {
        let part = if turned_b == 0 { product(a, 1 - turned_a, g, 0) } else { product(g, 1, a, turned_a) };
        let part = tape.push(|_| part);
        tape.give(node, 1, part)?;
    }
    if tape.wants(node, 2) {
        let beta = tape.number(node.float("beta", 1.0));
        let part = tape.op("Mul", &[g, &beta]);
        let part = tape.unbroadcast(&part, tape.shape(&node.output[0])?, tape.shape_of(node, 2)?);
        tape.give(node, 2, part)?;
    }
    Ok(())
}

/// Stacks of matrices: ∂a = g bᵀ, ∂b = aᵀ g, summed where a stack was repeated.
pub(super) fn matmul(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (a_shape, b_shape, shape) = (tape.shape_of(node, 0)?, tape.shape_of(node, 1)?, tape.shape(&node.output[0])?);
    let (Some((a_batch, a_matrix)), Some((b_batch, b_matrix))) = (matrix(a_shape, true), matrix(b_shape, false)) else {
        return invalid(format!("node \"{}\" (MatMul) multiplies no matrices", node.label()));
    };
    let batch = crate::shape::broadcast(&a_batch, &b_batch)?;
    let [a_whole, b_whole] = [[a_batch, a_matrix.to_vec()].concat(), [b_batch, b_matrix.to_vec()].concat()];
    let g_whole = [batch.clone(), vec![a_matrix[0], b_matrix[1]]].concat();
    let g = tape.reshaped(g, shape, &g_whole);
    if tape.wants(node, 0) {
        let b = tape.reshaped(node.needed(1)?, b_shape, &b_whole);
        let turned = turned(tape, &b, b_whole.len());
        let part = tape.op("MatMul", &[&g, &turned]);
        let part = tape.unbroadcast(&part, &[batch.clone(), a_matrix.to_vec()].concat(), &a_whole);
        let part = tape.reshaped(&part, &a_whole, a_shape);
        tape.give(node, 0, part)?;
    }
    if tape.wants(node, 1) {
        let a = tape.reshaped(node.needed(0)?, a_shape, &a_whole);
        let turned = turned(tape, &a, a_whole.len());
        let part = tape.op("MatMul", &[&turned, &g]);
        let part = tape.unbroadcast(&part, &[batch, b_matrix.to_vec()].concat(), &b_whole);
        let part = tape.reshaped(&part, &b_whole, b_shape);
        tape.give(node, 1, part)?;
    }
    Ok(())
}

/// Every matrix of a stack turned around.
fn turned(tape: &mut Tape<'_>, name: &str, rank: usize) -> String {
    let mut axes: Vec<i64> = (0..rank as i64).collect();
    axes.swap(rank - 2, rank - 1);
    tape.push(|output| Node::new("Transpose", &[name], output).with_ints("perm", axes))
}
