//! Convolutions, forward and transposed.

use crate::{
    error::Result,
    proto::Node,
    shape::{group, spatial},
    tape::Tape,
    tensor::Tensor,
    window::Window,
};

/// The transposed convolution with the same kernel. With steps of 1 that is a convolution with the kernel turned around and
/// channels exchanged, which every runtime does faster.
pub(super) fn conv(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    constant_kernel(tape, node)?;
    let (_, channels, space) = spatial(node, tape.shape_of(node, 0)?)?;
    let (_, _, kernel) = spatial(node, tape.shape_of(node, 1)?)?;
    let (_, _, steps) = spatial(node, tape.shape(&node.output[0])?)?;
    let window = Window::of(node, kernel, space)?;
    let groups = group(node, channels)?;
    let weights = tape.network.constants.get(node.needed(1)?);
    let pads: Vec<i64> = window.begin.iter().zip(0..).map(|(begin, axis)| window.reach(axis) - 1 - begin).collect();
    let ends: Vec<i64> = window.end.iter().zip(0..).map(|(end, axis)| window.reach(axis) - 1 - end).collect();
    let simple = window.strides.iter().all(|&stride| stride == 1) && pads.iter().chain(&ends).all(|&pad| pad >= 0);
    let part = match weights.filter(|_| simple).and_then(|weights| exchanged(weights, groups)) {
        Some(weights) => {
            let weights = tape.constant(weights);
            let back = Window { begin: pads, end: ends, ..window };
            let groups = groups as i64;
            tape.push(|output| back.onto(Node::new("Conv", &[g, &weights], output)).with_int("group", groups))
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
