//! Depthwise convolution. tract's own is scalar where a kernel reaches over an edge, which on the small maps of these networks is
//! nearly everywhere. Here a channel is laid out with its padding, so that a tap of the kernel is one distance for the whole plane,
//! and the plane is one long row.

use fearless_simd::{Level, Simd, SimdBase, dispatch};
use tract_onnx::tract_core::{
    internal::*,
    ops::{
        cnn::{Conv, KernelFormat},
        nn::DataFormat,
    },
};

use super::{
    clip, constant, instead,
    levels::{self, Levels},
    only_reader,
    spread::Spread,
};

/// Registers that add up at the same time: an addition takes four cycles.
const WIDE: usize = 8;

/// A depthwise convolution over `[channel, row, column]`, before which an axis of one batch may be, then the limits and levels of what it gives.
#[derive(Debug, Clone, PartialEq)]
struct Depthwise {
    input: [usize; 2],
    output: [usize; 2],
    /// Rows and columns from one value of the input to the next, with zeros between them.
    steps: [usize; 2],
    strides: [usize; 2],
    /// Rows above, columns before.
    padding: [usize; 2],
    /// Rows and columns of the laid out plane, of each phase of the strides.
    plane: [usize; 2],
    /// From the first value that an output needs to the one that this tap is for; by row and column of the kernel.
    distances: Vec<usize>,
    /// `[channel, tap]`.
    taps: Arc<[f32]>,
    /// A value a channel.
    bias: Arc<[f32]>,
    limits: Option<(f32, f32)>,
    levels: Option<Levels>,
}

impl Eq for Depthwise {}

/// One instead of a depthwise convolution of one picture, the clipping and the rounding after it.
pub(super) fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let Some(conv) = node.op_as::<Conv>() else { return Ok(None) };
    let spec = &conv.pool_spec;
    let depthwise = conv.group > 1 && conv.group == spec.input_channels && conv.group == spec.output_channels;
    let planes = matches!(spec.data_format, DataFormat::CHW | DataFormat::NCHW);
    let [from, kernel, bias] = node.inputs.as_slice() else { return Ok(None) };
    let fact = model.outlet_fact(*from)?;
    let plain =
        conv.q_params.is_none() && conv.kernel_fmt == KernelFormat::OIHW && fact.datum_type == f32::datum_type();
    if !depthwise || !planes || !plain || spec.rank() != 2 {
        return Ok(None);
    }
    let (Some(taps), Some(bias)) = (constant(model, *kernel)?, constant(model, *bias)?) else { return Ok(None) };
    let (Some(input), Some(output)) = (fact.shape.as_concrete(), node.outputs[0].fact.shape.as_concrete()) else {
        return Ok(None);
    };
    let (batch, edges) = (input.len() - 3, |shape: &[usize]| [shape[shape.len() - 2], shape[shape.len() - 1]]);
    if input[..batch].iter().product::<usize>() != 1 || [input, output].concat().contains(&0) {
        return Ok(None);
    }
    let (mut input, output) = (edges(input), edges(output));
    let padded = spec.computed_padding(&input);
    let strides = [spec.stride(0), spec.stride(1)];
    let (mut from, mut steps, before) = (*from, [1, 1], model.node(from.node));
    if let Some(spread) = before.op_as::<Spread>().filter(|_| strides == [1, 1])
        && only_reader(model, before)?.is_some()
    {
        (from, steps) = (before.inputs[0], spread.steps);
        input = [input[0] / steps[0], input[1] / steps[1]];
    }
    let (rows, columns) = (spec.kernel_shape[0], spec.kernel_shape[1]);
    let reach = [(rows - 1) * spec.dilation(0), (columns - 1) * spec.dilation(1)];
    let plane = [output[0] + reach[0] / strides[0], output[1] + reach[1] / strides[1]];
    let distance = |tap: usize| {
        let (row, column) = (tap / columns * spec.dilation(0), tap % columns * spec.dilation(1));
        let phase = row % strides[0] * strides[1] + column % strides[1];
        phase * size(plane) + row / strides[0] * plane[1] + column / strides[1]
    };
    let bias: Vec<f32> = match bias.as_slice() {
        [one] => vec![*one; conv.group],
        many => many.to_vec(),
    };
    let (mut last, mut limits, mut rounding) = (node, None, None);
    if let Some((low, high, clipped)) = clip(model, node)? {
        (last, limits) = (model.node(clipped), Some((low, high)));
    }
    if let Some(there) = only_reader(model, last)?
        && let Some(back) = only_reader(model, there)?
        && let Some(levels) = levels::between(model, there, back)?
    {
        (last, rounding) = (back, Some(levels));
    }
    let op = Depthwise {
        input,
        output,
        steps,
        strides,
        padding: [padded[0].pad_before, padded[1].pad_before],
        plane,
        distances: (0..rows * columns).map(distance).collect(),
        taps: taps.into(),
        bias: bias.into(),
        limits,
        levels: rounding,
    };
    instead(model, last, op, &[from])
}

/// Values of a plane, with what a last block may read and write beyond its end.
const fn size(plane: [usize; 2]) -> usize {
    plane[0] * plane[1] + WIDE * 16
}

impl Depthwise {
    /// Lays a channel out by the phases of the strides. What is padding stays as it is.
    fn lay_out(&self, channel: &[f32], laid: &mut [f32]) {
        let ([down, right], columns) = (self.strides, self.input[1]);
        for (row, values) in channel.chunks_exact(columns).enumerate() {
            let row = row * self.steps[0] + self.padding[0];
            if row / down >= self.plane[0] {
                break;
            }
            for phase in 0..right {
                // The first column that lies on the phase, and where.
                let first = (phase + right - self.padding[1] % right) % right;
                let at = ((first + self.padding[1]) / right).min(self.plane[1]);
                let start = (row % down * right + phase) * size(self.plane) + row / down * self.plane[1];
                let space = &mut laid[start + at..start + self.plane[1]];
                let values = values.get(first..).unwrap_or_default();
                match (right, self.steps[1]) {
                    (1, 1) => {
                        let count = space.len().min(values.len());
                        space[..count].copy_from_slice(&values[..count]);
                    }
                    (2, 1) => {
                        // What is left over is the last column of an odd number.
                        let (pairs, rest) = values.as_chunks::<2>();
                        let (most, last) = space.split_at_mut(pairs.len().min(space.len()));
                        most.iter_mut().zip(pairs).for_each(|(space, [value, _])| *space = *value);
                        last.iter_mut().zip(rest).for_each(|(space, value)| *space = *value);
                    }
                    (_, step) => {
                        let taken = values.iter().step_by(right);
                        space.iter_mut().step_by(step).zip(taken).for_each(|(space, value)| *space = *value);
                    }
                }
            }
        }
    }

    fn convolve(&self, input: &[f32], output: &mut [f32]) {
        let level = Level::new();
        let (from, to) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let long = (self.output[0] - 1) * self.plane[1] + self.output[1];
        let mut laid = vec![0.0; self.strides[0] * self.strides[1] * size(self.plane)];
        let mut row = vec![0.0; long + WIDE * 16];
        for (channel, &bias) in self.bias.iter().enumerate() {
            self.lay_out(&input[channel * from..][..from], &mut laid);
            let taps = &self.taps[channel * self.distances.len()..][..self.distances.len()];
            dispatch!(level, simd => {
                along(simd, &laid, (taps, &self.distances), bias, long, &mut row);
                let found = &mut row[..long];
                if let Some((low, high)) = self.limits {
                    found.iter_mut().for_each(|value| *value = value.max(low).min(high));
                }
                if let Some(levels) = &self.levels {
                    levels::rounded(simd, levels, found);
                }
            });
            let output = &mut output[channel * to..][..to];
            for (output, found) in output.chunks_exact_mut(self.output[1]).zip(row.chunks(self.plane[1])) {
                output.copy_from_slice(&found[..self.output[1]]);
            }
        }
    }
}

/// The plane as one row: the bias, then one multiplication and one addition for each tap, as tract rounds.
#[inline(always)]
fn along<S: Simd>(
    simd: S,
    laid: &[f32],
    (taps, distances): (&[f32], &[usize]),
    bias: f32,
    long: usize,
    row: &mut [f32],
) {
    let lanes = S::f32s::LEN;
    let mut at = 0;
    while at + (WIDE - 1) * lanes < long {
        block::<S, WIDE>(simd, &laid[at..], (taps, distances), bias, &mut row[at..]);
        at += WIDE * lanes;
    }
    while at < long {
        block::<S, 2>(simd, &laid[at..], (taps, distances), bias, &mut row[at..]);
        at += 2 * lanes;
    }
}

#[inline(always)]
fn block<S: Simd, const N: usize>(
    simd: S,
    laid: &[f32],
    (taps, distances): (&[f32], &[usize]),
    bias: f32,
    row: &mut [f32],
) {
    let lanes = S::f32s::LEN;
    let mut sums = [S::f32s::splat(simd, bias); N];
    for (&tap, &distance) in taps.iter().zip(distances) {
        let tap = S::f32s::splat(simd, tap);
        let values = &laid[distance..][..N * lanes];
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum += S::f32s::from_slice(simd, &values[index * lanes..][..lanes]) * tap;
        }
    }
    for (sum, row) in sums.into_iter().zip(row.chunks_exact_mut(lanes)) {
        sum.store_slice(row);
    }
}

impl Op for Depthwise {
    fn name(&self) -> StaticName {
        "Depthwise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Depthwise {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let mut shape: TVec<usize> = input.shape().into();
        let edges = shape.len() - 2;
        shape[edges..].copy_from_slice(&self.output);
        let mut output = Tensor::zero::<f32>(&shape)?;
        self.convolve(
            input.try_as_plain_ram()?.as_slice::<f32>()?,
            output.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?,
        );
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Depthwise {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.clone();
        let edges = shape.rank() - 2;
        for (axis, &edge) in self.output.iter().enumerate() {
            shape.set(edges + axis, edge.to_dim());
        }
        Ok(tvec!(f32::fact(shape)))
    }

    as_op!();
}
