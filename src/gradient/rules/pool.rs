//! Pools. Channels are handled as pictures of their own, so that one small kernel serves for all of them.

use crate::{
    error::{GradientError, Result},
    proto::Node,
    shape::{pool_kernel, spatial},
    tape::Tape,
    tensor::Tensor,
    window::Window,
};

/// More comparisons than a graph should have for one pool.
const TAPS_MOST: usize = 256;

/// Every element of a window gets its share of g.
pub(super) fn average(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (_, _, space) = spatial(node, tape.shape_of(node, 0)?)?;
    let steps = &tape.shape(&node.output[0])?[2..];
    let window = Window::of(node, &pool_kernel(node)?, space)?;
    let taps = window.taps()?;
    let padding_counts = node.int("count_include_pad", 0) != 0;
    // How many elements each window has, an axis at a time.
    let counts: Vec<Vec<f32>> = (0..space.len())
        .map(|axis| {
            let (size, begin, end) = (space[axis] as i64, window.begin[axis], window.end[axis]);
            let real = if padding_counts { -begin..size + end } else { 0..size };
            (0..steps[axis] as i64)
                .map(|step| {
                    let first = step * window.strides[axis] - begin;
                    #[expect(clippy::cast_precision_loss, reason = "at most a kernel")]
                    let count = (first..first + window.kernel[axis]).filter(|at| real.contains(at)).count() as f32;
                    count.max(1.0)
                })
                .collect()
        })
        .collect();
    let shares = counts.iter().fold(vec![1.0_f32], |whole, axis| {
        whole.iter().flat_map(|outer| axis.iter().map(move |inner| outer * inner)).collect()
    });
    let shares = shares.into_iter().map(f32::recip).collect();
    let shares = tape.constant(Tensor::float([&[1, 1], steps].concat(), shares));
    let part = tape.op("Mul", &[g, &shares]);
    spread(tape, node, &part, &window, vec![1.0; taps], 1)
}

/// The first of the largest elements of a window gets all of g.
pub(super) fn maximum(tape: &mut Tape<'_>, node: &Node, g: &str) -> Result<()> {
    let (batch, channels, space) = spatial(node, tape.shape_of(node, 0)?)?;
    let steps = &tape.shape(&node.output[0])?[2..];
    let window = Window::of(node, &pool_kernel(node)?, space)?;
    let taps = window.taps()?;
    if taps > TAPS_MOST {
        return Err(GradientError::Unsupported {
            op: node.op_type.clone(),
            node: node.label().to_owned(),
            why: format!("its kernel has {taps} elements"),
        });
    }
    // Padded so that every window is whole; nothing is below what is added.
    let end: Vec<i64> = (0..space.len())
        .map(|axis| {
            let whole = (steps[axis] as i64 - 1) * window.strides[axis] + window.reach(axis);
            (whole - space[axis] as i64 - window.begin[axis]).max(0)
        })
        .collect();
    let input = node.needed(0)?;
    let padded = if window.begin.iter().chain(&end).all(|&pad| pad == 0) {
        input.to_owned()
    } else {
        let pads = [&[0, 0], window.begin.as_slice(), &[0, 0], end.as_slice()].concat();
        let (pads, least) = (tape.integers(pads), tape.number(f32::MIN));
        tape.op("Pad", &[input, &pads, &least])
    };
    let output = &node.output[0];
    let axes = tape.integers((2..2 + space.len() as i64).collect());
    let strides = tape.integers(window.strides.clone());
    let mut taken: Option<String> = None;
    let mut parts = Vec::new();
    for tap in 0..taps {
        let at = window.tap(tap);
        let start: Vec<i64> = at.iter().zip(&window.dilations).map(|(at, dilation)| at * dilation).collect();
        let stop = (0..start.len()).map(|axis| start[axis] + (steps[axis] as i64 - 1) * window.strides[axis] + 1);
        let (stop, start) = (tape.integers(stop.collect()), tape.integers(start));
        let element = tape.op("Slice", &[&padded, &start, &stop, &axes, &strides]);
        let largest = tape.op("Equal", &[&element, output]);
        let first = match &taken {
            None => largest.clone(),
            Some(taken) => {
                let free = tape.op("Not", &[taken]);
                tape.op("And", &[&largest, &free])
            }
        };
        let part = tape.masked(&first, g);
        let apart = [&[batch * channels, 1], steps].concat();
        parts.push(tape.reshaped(&part, tape.shape(output)?, &apart));
        taken = Some(match taken {
            None => largest,
            Some(taken) => tape.op("Or", &[&taken, &largest]),
        });
    }
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let part = tape.push(|name| Node::new("Concat", &names, name).with_int("axis", 1));
    let one_each = (0..taps * taps).map(|at| if at / taps == at % taps { 1.0 } else { 0.0 }).collect();
    spread(tape, node, &part, &window, one_each, taps)
}

/// Brings `kinds` maps of a channel back to the pool's input: `kernel` says for each kind where in its window it goes.
fn spread(tape: &mut Tape<'_>, node: &Node, g: &str, window: &Window, kernel: Vec<f32>, kinds: usize) -> Result<()> {
    let shape = tape.shape_of(node, 0)?;
    let (batch, channels, space) = spatial(node, shape)?;
    let steps = &tape.shape(&node.output[0])?[2..];
    let sizes: Vec<usize> = window.kernel.iter().map(|&size| usize::try_from(size).unwrap_or(1)).collect();
    let kernel = tape.constant(Tensor::float([vec![kinds, 1], sizes].concat(), kernel));
    let apart = [&[batch * channels, kinds], steps].concat();
    let g = if kinds == 1 { tape.reshaped(g, tape.shape(&node.output[0])?, &apart) } else { g.to_owned() };
    let (end, added) = window.way_back(space, steps);
    let back = Window { end, ..window.clone() };
    let part = tape.push(|output| {
        back.onto(Node::new("ConvTranspose", &[&g, &kernel], output)).with_ints("output_padding", added)
    });
    let part = tape.reshaped(&part, &[&[batch * channels, 1], space].concat(), shape);
    tape.give(node, 0, part)
}
