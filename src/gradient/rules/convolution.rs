//! Convolutions, forward and transposed.

use crate::{
    error::Result,
    proto::Node,
    shape::{group, spatial},
    tape::Tape,
    tensor::Tensor,
    window::Window,
};

/// The transposed convolution with the same kernel, written as a convolution with the kernel turned around and channels
/// exchanged, which every runtime does faster; between the elements of what comes in lie as many zeros as the steps were wide.
pub(super) fn conv(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    constant_kernel(tape, node)?;
    let (batch, channels, space) = spatial(node, tape.shape_of(node, 0)?)?;
    let (_, _, kernel) = spatial(node, tape.shape_of(node, 1)?)?;
    let (_, filters, steps) = spatial(node, tape.shape(&node.output[0])?)?;
    let window = Window::of(node, kernel, space)?;
    let groups = group(node, channels)?;
    let weights = tape.network.constants.get(node.needed(1)?);
    // What is padded before and after for the output to have the input's size.
    let begin: Vec<i64> = (0..space.len()).map(|axis| window.reach(axis) - 1 - window.begin[axis]).collect();
    let end: Vec<i64> = (0..space.len())
        .map(|axis| space[axis] as i64 - steps[axis] as i64 * window.strides[axis] + window.begin[axis])
        .collect();
    let padded = begin.iter().chain(&end).all(|&pad| pad >= 0);
    let part = match weights.filter(|_| padded).and_then(|weights| exchanged(weights, groups)) {
        Some(weights) => {
            let weights = tape.constant(weights);
            let spread = spread(tape, g, &[batch, filters], steps, &window.strides);
            let back = Window { begin, end, strides: vec![1; space.len()], ..window };
            let groups = groups as i64;
            tape.push(|output| back.onto(Node::new("Conv", &[&spread, &weights], output)).with_int("group", groups))
        }
        None => {
            let (end, added) = window.way_back(space, steps);
            let back = Window { end, ..window };
            let (weights, groups) = (node.needed(1)?, groups as i64);
            tape.push(|output| {
                back.onto(Node::new("ConvTranspose", &[g, weights], output))
                    .with_int("group", groups)
                    .with_ints("output_padding", added)
            })
        }
    };
    tape.give(node, 0, part)
}

/// Every element followed by zeros, along each axis as many as the step is wide less one.
fn spread(tape: &mut Tape<'_>, g: &str, front: &[usize], steps: &[usize], strides: &[i64]) -> String {
    if strides.iter().all(|&stride| stride == 1) {
        return g.to_owned();
    }
    let from = [front, steps].concat();
    let apart: Vec<usize> = front.iter().copied().chain(steps.iter().flat_map(|&size| [size, 1])).collect();
    let after = strides.iter().flat_map(|&stride| [0, stride - 1]);
    let pads = vec![0; apart.len() + front.len()].into_iter().chain(after).collect();
    let to: Vec<usize> = front
        .iter()
        .copied()
        .chain(steps.iter().zip(strides).map(|(&size, &stride)| size * usize::try_from(stride).unwrap_or(1)))
        .collect();
    let apart_name = tape.reshaped(g, &from, &apart);
    let pads = tape.integers(pads);
    let padded = tape.op("Pad", &[&apart_name, &pads]);
    let shape = tape.sizes(&to);
    tape.op("Reshape", &[&padded, &shape])
}

/// The convolution with the same kernel.
pub(super) fn transposed(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    constant_kernel(tape, node)?;
    let (_, channels, space) = spatial(node, tape.shape_of(node, 0)?)?;
    let (_, _, kernel) = spatial(node, tape.shape_of(node, 1)?)?;
    let window = Window::of(node, kernel, space)?;
    let (weights, groups) = (node.needed(1)?, group(node, channels)? as i64);
    let part = tape.push(|output| window.onto(Node::new("Conv", &[g, weights], output)).with_int("group", groups));
    tape.give(node, 0, part)
}

fn constant_kernel(tape: &Tape<'_>, node: &Node) -> Result<()> {
    if tape.wants(node, 1) || tape.wants(node, 2) {
        return Err(node.unsupported("its kernel or bias depends on the input"));
    }
    Ok(())
}

/// Weights `[out, in of a group, …]` as those of the way back, `[in, out of a group, …]`, every kernel turned around.
fn exchanged(weights: &Tensor, groups: usize) -> Option<Tensor> {
    let (values, [out, of_group, kernel @ ..]) = (weights.floats()?, weights.shape.as_slice()) else { return None };
    let taps: usize = kernel.iter().product();
    let out_of_group = out / groups;
    let mut turned = Vec::with_capacity(values.len());
    for group in 0..groups {
        for channel in 0..*of_group {
            for filter in 0..out_of_group {
                let from = ((group * out_of_group + filter) * of_group + channel) * taps;
                turned.extend(values.get(from..from + taps)?.iter().rev());
            }
        }
    }
    Some(Tensor::float([&[of_group * groups, out_of_group], kernel].concat(), turned))
}
