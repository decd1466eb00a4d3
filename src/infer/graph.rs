//! Networks in tract: from the bytes of an ONNX file to a plan. A few kinds of nodes, with which it spends three quarters of its
//! time on these networks, are replaced by operators of our own that give the same bits.

mod depthwise;
mod levels;
mod slope;
mod spread;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tract_onnx::{
    prelude::*,
    tract_core::{
        internal::{AxisOp, bail},
        ops::{
            binary::{BinMiniOp, TypedBinOp},
            math,
        },
        optim::Optimizer,
    },
};

/// A network as its file has it.
pub(crate) fn parse(mut bytes: &[u8]) -> TractResult<InferenceModel> {
    tract_onnx::onnx().model_for_read(&mut bytes)
}

/// A plan to run a network whose inputs have known shapes.
pub(crate) fn plan(model: InferenceModel) -> TractResult<Arc<TypedRunnableModel>> {
    made(ready(model.into_typed()?)?)
}

/// A plan to run a network of one picture, `[1, row, column, channel]`, that takes it as `[1, channel, row, column]`: of its first
/// layers tract otherwise makes ones over channels, for which it has nothing fast.
pub(crate) fn plan_of_planes(model: InferenceModel) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = model.into_typed()?;
    let &[picture] = model.input_outlets()? else { bail!("the network has more than one input") };
    let fact = model.outlet_fact(picture)?.clone();
    let Some(&[batch, rows, columns, channels]) = fact.shape.as_concrete() else {
        bail!("the network's input is {fact:?}, not one picture")
    };
    let planes = model.add_source("planes", fact.datum_type.fact([batch, channels, rows, columns]))?;
    let wire = model.wire_node("channels_last", AxisOp::Move(1, 3), &[planes])?[0];
    for reader in model.node(picture.node).outputs[0].successors.clone() {
        model.add_edge(wire, reader)?;
    }
    model.set_input_outlets(&[planes])?;
    made(ready(model)?)
}

/// A gradient graph in two: to the output, and from there back.
pub(crate) struct Halves {
    /// From the input to the output and to what the way back needs besides the cotangent.
    pub(crate) forward: Arc<TypedRunnableModel>,
    /// From the cotangent and that to the derivative.
    pub(crate) backward: Arc<TypedRunnableModel>,
}

/// The halves of a graph whose inputs are the network's and a cotangent, and whose outputs are the network's and a derivative.
pub(crate) fn halves(model: InferenceModel) -> TractResult<Halves> {
    let mut back = ready(model.into_typed()?)?;
    let (inputs, outputs) = (back.input_outlets()?.to_vec(), back.output_outlets()?.to_vec());
    let ([input, cotangent], [output, derivative]) = (inputs.as_slice(), outputs.as_slice()) else {
        bail!("{} inputs and {} outputs are no gradient graph", inputs.len(), outputs.len())
    };
    let mut behind = vec![false; back.nodes().len()];
    behind[cotangent.node] = true;
    let mut kept: Vec<OutletId> = Vec::new();
    for id in back.eval_order()? {
        let from = &back.node(id).inputs;
        if !from.iter().any(|outlet| behind[outlet.node]) {
            continue;
        }
        behind[id] = true;
        for outlet in from {
            let known = behind[outlet.node] || kept.contains(outlet) || back.outlet_fact(*outlet)?.konst.is_some();
            if !known {
                kept.push(*outlet);
            }
        }
    }
    let mut forward = back.clone();
    forward.set_input_outlets(&[*input])?;
    forward.select_output_outlets(&[&[*output], kept.as_slice()].concat())?;
    forward.compact()?;
    back.set_input_outlets(&[&[*cotangent], kept.as_slice()].concat())?;
    back.select_output_outlets(&[*derivative])?;
    back.compact()?;
    Ok(Halves { forward: made(forward)?, backward: made(back)? })
}

/// With our own operators in it.
fn ready(mut model: TypedModel) -> TractResult<TypedModel> {
    // Where tract has depthwise kernels over channels, as on aarch64, its last pass lays most of such convolutions out that way. Ours
    // go over planes: they are put in before it.
    let mut on_planes = Optimizer::declutter();
    on_planes.passes.retain(|pass| !format!("{pass:?}").starts_with("ChangeAxes"));
    on_planes.optimize(&mut model)?;
    replaced(&mut model, spread::of)?;
    replaced(&mut model, depthwise::of)?;
    model.declutter()?;
    replaced(&mut model, spread::of)?;
    replaced(&mut model, depthwise::of)?;
    replaced(&mut model, levels::of)?;
    replaced(&mut model, slope::of)?;
    Ok(model)
}

fn made(mut model: TypedModel) -> TractResult<Arc<TypedRunnableModel>> {
    model.optimize()?;
    model.into_runnable()
}

/// Puts operators of ours wherever a rule knows one.
fn replaced(
    model: &mut TypedModel,
    rule: impl Fn(&TypedModel, &TypedNode) -> TractResult<Option<TypedModelPatch>>,
) -> TractResult<()> {
    for id in model.eval_order()? {
        if let Some(patch) = rule(model, model.node(id))? {
            patch.apply(model)?;
        }
    }
    model.compact()
}

/// An operator that gives what a node gives, from other inputs.
fn instead(
    model: &TypedModel,
    node: &TypedNode,
    op: impl Into<Box<dyn TypedOp>>,
    inputs: &[OutletId],
) -> TractResult<Option<TypedModelPatch>> {
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, inputs)?;
    let wire = patch.wire_node(format!("{}.ours", node.name), op, &inputs)?[0];
    patch.shunt_outside(model, OutletId::new(node.id, 0), wire)?;
    Ok(Some(patch))
}

/// The node that alone reads what a node gives, if nothing else does.
fn only_reader<'a>(model: &'a TypedModel, node: &TypedNode) -> TractResult<Option<&'a TypedNode>> {
    let shown = model.output_outlets()?.iter().any(|outlet| outlet.node == node.id);
    let [output] = node.outputs.as_slice() else { return Ok(None) };
    let [reader] = output.successors.as_slice() else { return Ok(None) };
    Ok((!shown).then(|| model.node(reader.node)))
}

/// The values of a constant of floats.
fn constant(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
    let fact = model.outlet_fact(outlet)?;
    let Some(tensor) = fact.konst.as_ref().filter(|tensor| tensor.datum_type() == f32::datum_type()) else {
        return Ok(None);
    };
    Ok(Some(tensor.to_plain_array_view::<f32>()?.iter().copied().collect()))
}

/// The other operand and the number, of `operand ∘ number` in either order; whether the number comes first.
fn with_number(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(OutletId, f32, bool)>> {
    let [left, right] = node.inputs.as_slice() else { return Ok(None) };
    for (of, number, first) in [(*left, *right, false), (*right, *left, true)] {
        if let Some([number]) = constant(model, number)?.as_deref() {
            let kept = model.outlet_fact(of)?.shape == node.outputs[0].fact.shape;
            return Ok(kept.then_some((of, *number, first)));
        }
    }
    Ok(None)
}

/// Whether a node is that operation of two operands.
fn is<Op: BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Op>())
}

/// The limits of `max(x, low)` or `min(max(x, low), high)` behind a node, and the last node of it.
fn clip(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(f32, f32, usize)>> {
    let Some(lower) = only_reader(model, node)?.filter(|reader| is::<math::Max>(reader)) else { return Ok(None) };
    let Some((_, low, _)) = with_number(model, lower)? else { return Ok(None) };
    if let Some(upper) = only_reader(model, lower)?.filter(|reader| is::<math::Min>(reader))
        && let Some((_, high, _)) = with_number(model, upper)?
    {
        return Ok(Some((low, high, upper.id)));
    }
    Ok(Some((low, f32::INFINITY, lower.id)))
}
