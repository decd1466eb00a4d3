//! Zeros put between values, as the way back through a strided convolution has them: in ONNX a reshape, a pad and a reshape.

use tract_onnx::tract_core::{
    internal::*,
    ops::array::{Pad, PadMode},
};

use super::{instead, only_reader};

/// Every value as the first of a cell of `steps` rows and columns that is zero elsewhere, over the last two axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) steps: [usize; 2],
}

/// One instead of the padding of axes of one between reshapes.
pub(super) fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
    let Some(pad) = node.op_as::<Pad>() else { return Ok(None) };
    let zero = matches!(&pad.mode, PadMode::Constant(value) if value.is_zero()?);
    let [.., (0, 0), (0, down), (0, 0), (0, right)] = pad.pads.as_slice() else { return Ok(None) };
    let steps = [down + 1, right + 1];
    let apart = model.outlet_fact(node.inputs[0])?;
    let (Some(shape), true) = (apart.shape.as_concrete(), zero && apart.datum_type == f32::datum_type()) else {
        return Ok(None);
    };
    let &[ref lead @ .., rows, 1, columns, 1] = shape else { return Ok(None) };
    if pad.pads[..lead.len()].iter().any(|&pads| pads != (0, 0)) {
        return Ok(None);
    }
    let shaped = |outlet: OutletId, edges: [usize; 2]| {
        let shape = model.outlet_fact(outlet).ok()?.shape.as_concrete()?;
        Some(shape.len() == lead.len() + 2 && shape.starts_with(lead) && shape.ends_with(&edges))
    };
    let mut from = node.inputs[0];
    while shaped(from, [rows, columns]) != Some(true) {
        let before = model.node(from.node);
        if !reshapes(before) {
            return Ok(None);
        }
        from = before.inputs[0];
    }
    let mut last = node;
    while shaped(OutletId::new(last.id, 0), [rows * steps[0], columns * steps[1]]) != Some(true) {
        let Some(after) = only_reader(model, last)?.filter(|after| reshapes(after)) else { return Ok(None) };
        last = after;
    }
    instead(model, last, Spread { steps }, &[from])
}

/// Whether a node changes the shape and no order.
fn reshapes(node: &TypedNode) -> bool {
    node.op_as::<AxisOp>().is_some_and(|op| !matches!(op, AxisOp::Move(..)))
}

impl Op for Spread {
    fn name(&self) -> StaticName {
        "Spread".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Spread {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let [down, right] = self.steps;
        let mut shape: TVec<usize> = input.shape().into();
        let (edges, columns) = (shape.len() - 2, shape[shape.len() - 1]);
        shape[edges] *= down;
        shape[edges + 1] *= right;
        let mut output = Tensor::zero::<f32>(&shape)?;
        let (input, mut plain) = (input.try_as_plain_ram()?, output.try_as_plain_ram_mut()?);
        let rows = plain.as_slice_mut::<f32>()?.chunks_exact_mut(down * right * columns);
        for (row, values) in rows.zip(input.as_slice::<f32>()?.chunks_exact(columns)) {
            row.iter_mut().step_by(right).zip(values).for_each(|(space, value)| *space = *value);
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Spread {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.clone();
        let edges = shape.rank() - 2;
        for (axis, &step) in self.steps.iter().enumerate() {
            shape.set(edges + axis, shape[edges + axis].clone() * step);
        }
        Ok(tvec!(f32::fact(shape)))
    }

    as_op!();
}
