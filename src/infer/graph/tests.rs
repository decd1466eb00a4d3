//! What stands in gives what tract gives, bit by bit but for the sign of a zero. Where tract's own depthwise kernels round a product
//! and its sum once, as on aarch64, ours do not: what lies behind one is held to a tolerance there.

use std::path::Path;

use hilum_gradient::{Request, differentiate};
use tract_onnx::{
    prelude::*,
    tract_core::{
        internal::*,
        ops::{
            array::{Pad, PadMode},
            cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec},
            element_wise::ElementWiseOp,
            math::{max, min, mul, sign, sub},
            nn::DataFormat,
            quant::{DequantizeLinearF32, QuantizeLinearI8},
        },
    },
};

use super::{halves, made, parse, plan, plan_of_planes, ready};
use crate::EngineKind;

/// Numbers without a pattern, from −1 to 1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn among(&mut self, low: usize, high: usize) -> usize {
        low + usize::try_from(self.next() >> 33).expect("31 bits") % (high - low + 1)
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0).collect();
        Tensor::from_shape(shape, &values).expect("as many")
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_plain_array_view::<f32>().expect("floats").iter().copied().collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    floats(tensor).into_iter().map(|value| (value + 0.0).to_bits()).collect()
}

/// How many nodes of each operator.
fn count(model: &TypedModel, name: &str) -> usize {
    model.nodes().iter().filter(|node| node.op.name() == name).count()
}

/// Whether tract has depthwise kernels that round once for a multiplication and an addition.
const FUSED: bool = cfg!(target_arch = "aarch64");

/// How far tract and ours may lie apart behind depthwise convolutions, where tract fuses.
struct Apart {
    /// Relative L2 error.
    relative: f64,
    /// The width of the levels, of which one value in a hundred may have another; or 0.
    level: f64,
}

impl Apart {
    fn holds(&self, theirs: &[f32], mine: &[f32]) -> bool {
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let off = norm(&mut theirs.iter().zip(mine).map(|(theirs, mine)| theirs - mine));
        let levels = self.level * (1.0 + theirs.len() as f64 / 100.0).sqrt();
        off <= self.relative * norm(&mut theirs.iter().copied()) + levels
    }
}

/// Runs a model as tract makes it and as we do; the names of ours that must stand in it. If it has depthwise convolutions, how far they
/// may lie apart where tract fuses.
fn same(model: TypedModel, inputs: &[Tensor], ours: &[(&str, usize)], depthwise: Option<Apart>) {
    let run = |plan: Arc<TypedRunnableModel>| {
        plan.run(inputs.iter().map(|input| input.clone().into_tvalue()).collect()).expect("runs")
    };
    let theirs = run(model.clone().into_optimized().expect("optimises").into_runnable().expect("a plan"));
    let mine = ready(model).expect("is made ready");
    for &(name, wanted) in ours {
        assert_eq!(count(&mine, name), wanted, "{name}");
    }
    let mine = run(made(mine).expect("a plan"));
    assert_eq!(theirs.len(), mine.len());
    for (theirs, mine) in theirs.iter().zip(&mine) {
        assert_eq!(theirs.shape(), mine.shape());
        if let Some(apart) = depthwise.as_ref().filter(|_| FUSED) {
            assert!(apart.holds(&floats(theirs), &floats(mine)), "{ours:?}");
            continue;
        }
        let (theirs, mine) = (bits(theirs), bits(mine));
        let other = theirs.iter().zip(&mine).position(|(theirs, mine)| theirs != mine);
        assert!(other.is_none(), "value {other:?} of {}: {ours:?}", mine.len());
    }
}

/// One convolution, of any kind, with what often surrounds it.
fn convolution(numbers: &mut Numbers) {
    let channels = numbers.among(2, 5);
    let batch = numbers.one_in(2);
    let edges = [numbers.among(1, 40), numbers.among(1, 90)];
    let spread = numbers.one_in(3);
    let steps = if spread { [numbers.among(1, 3), numbers.among(2, 3)] } else { [1, 1] };
    let kernel = [numbers.among(1, 5), numbers.among(1, 5)];
    let strides: [usize; 2] = if spread { [1, 1] } else { [numbers.among(1, 3), numbers.among(1, 3)] };
    let dilations = if spread { [1, 1] } else { [numbers.among(1, 2), numbers.among(1, 2)] };
    let mut pads = [[0; 2]; 2];
    for axis in 0..2 {
        let reach = (kernel[axis] - 1) * dilations[axis];
        let edge = edges[axis] * steps[axis];
        pads[axis] = [numbers.among(0, reach), numbers.among(0, reach)];
        if edge + pads[axis][0] + pads[axis][1] <= reach {
            pads[axis] = [reach, reach];
        }
    }
    let lead: Vec<usize> = if batch { vec![1, channels] } else { vec![channels] };
    let mut model = TypedModel::default();
    let shape = [lead.as_slice(), &edges].concat();
    let mut wire = model.add_source("input", f32::fact(&shape)).expect("a source");
    let axis = lead.len();
    if spread {
        let wired = |model: &mut TypedModel, name: &str, op: AxisOp, wire| {
            model.wire_node(name, op, &[wire]).expect("wires")[0]
        };
        wire = wired(&mut model, "apart.0", AxisOp::Add(axis + 1), wire);
        wire = wired(&mut model, "apart.1", AxisOp::Add(axis + 3), wire);
        let none = vec![(0, 0); axis];
        let pads = [none, vec![(0, 0), (0, steps[0] - 1), (0, 0), (0, steps[1] - 1)]].concat();
        wire =
            model.wire_node("pad", Pad { pads, mode: PadMode::Constant(rctensor0(0_f32)) }, &[wire]).expect("wires")[0];
        for (at, (edge, step)) in edges.into_iter().zip(steps).enumerate() {
            let op = AxisOp::Reshape(axis + at, tvec!(edge.to_dim(), step.to_dim()), tvec!((edge * step).to_dim()));
            wire = wired(&mut model, &format!("together.{at}"), op, wire);
        }
    }
    let taps = numbers.tensor(&[channels, 1, kernel[0], kernel[1]]);
    let taps = model.add_const("taps", taps).expect("a constant");
    let bias = if numbers.one_in(2) { numbers.tensor(&[channels]) } else { tensor0(0_f32) };
    let bias = model.add_const("bias", bias).expect("a constant");
    let pool_spec = PoolSpec {
        data_format: if batch { DataFormat::NCHW } else { DataFormat::CHW },
        kernel_shape: kernel.into_iter().collect(),
        padding: PaddingSpec::Explicit(tvec!(pads[0][0], pads[1][0]), tvec!(pads[0][1], pads[1][1])),
        dilations: Some(dilations.into_iter().collect()),
        strides: Some(strides.into_iter().collect()),
        input_channels: channels,
        output_channels: channels,
    };
    let conv = Conv { pool_spec, kernel_fmt: KernelFormat::OIHW, group: channels, q_params: None };
    wire = model.wire_node("conv", conv, &[wire, taps, bias]).expect("wires")[0];
    let clipped = numbers.one_in(2);
    let ones = vec![1; axis + 2];
    let number = |model: &mut TypedModel, name: &str, value: f32| {
        let tensor = Tensor::from_shape(&ones, &[value]).expect("one");
        model.add_const(name, tensor).expect("a constant")
    };
    if clipped {
        let low = number(&mut model, "low", -0.5);
        wire = model.wire_node("max", max(), &[wire, low]).expect("wires")[0];
        if numbers.one_in(2) {
            let high = number(&mut model, "high", 0.75);
            wire = model.wire_node("min", min(), &[wire, high]).expect("wires")[0];
        }
    }
    let levels = numbers.one_in(2);
    if levels {
        let there = QuantizeLinearI8 { scale: 40.0, zero_point: -20 };
        wire = model.wire_node("there", ElementWiseOp(Box::new(there), None), &[wire]).expect("wires")[0];
        let back = DequantizeLinearF32 { scale: 1.0 / 40.0, zero_point: -20 };
        wire = model.wire_node("back", back, &[wire]).expect("wires")[0];
    }
    model.select_output_outlets(&[wire]).expect("an output");
    let input = numbers.tensor(&shape);
    let ours = [("Depthwise", 1), ("Spread", 0), ("Levels", 0), ("Max", 0), ("Conv", 0)];
    same(model, &[input], &ours, Some(Apart { relative: 1e-5, level: if levels { 1.0 / 40.0 } else { 0.0 } }));
}

#[test]
fn depthwise_convolutions_of_every_kind() {
    let mut numbers = Numbers(2604);
    for _ in 0..400 {
        convolution(&mut numbers);
    }
}

#[test]
fn levels_and_slopes_alone() {
    let mut numbers = Numbers(7);
    let mut model = TypedModel::default();
    let shape = [3, 5, 7];
    let [g, y] = ["g", "y"].map(|name| model.add_source(name, f32::fact(shape)).expect("a source"));
    let zero = model.add_const("zero", Tensor::from_shape(&[1, 1, 1], &[0_f32]).expect("one")).expect("a constant");
    let six = model.add_const("six", Tensor::from_shape(&[1, 1, 1], &[0.5_f32]).expect("one")).expect("a constant");
    let mut wired =
        |name: &str, op: Box<dyn TypedOp>, inputs: &[OutletId]| model.wire_node(name, op, inputs).expect("wires")[0];
    let y = wired("max", Box::new(max()), &[y, zero]);
    let y = wired("min", Box::new(min()), &[y, six]);
    let left = wired("left", Box::new(sub()), &[six, y]);
    let room = wired("room", Box::new(mul()), &[y, left]);
    let mask = wired("sign", Box::new(sign()), &[room]);
    let clipped = wired("clipped", Box::new(mul()), &[g, mask]);
    let mask = wired("sign.relu", Box::new(sign()), &[y]);
    let relu = wired("relu", Box::new(mul()), &[mask, clipped]);
    let there = QuantizeLinearI8 { scale: 100.0, zero_point: 5 };
    let there = wired("there", Box::new(ElementWiseOp(Box::new(there), None)), &[relu]);
    let back = wired("back", Box::new(DequantizeLinearF32 { scale: 0.01, zero_point: 5 }), &[there]);
    model.select_output_outlets(&[clipped, relu, back]).expect("outputs");
    let inputs = [numbers.tensor(&shape), numbers.tensor(&shape)];
    same(model, &inputs, &[("Signs", 2), ("Signed", 2), ("Levels", 1), ("Sign", 0)], None);
}

/// What another node reads, or the network gives, is not taken away.
#[test]
fn what_is_read_elsewhere_stays() {
    let mut numbers = Numbers(9);
    let mut model = TypedModel::default();
    let wire = model.add_source("input", f32::fact([3, 6, 6])).expect("a source");
    let there = QuantizeLinearI8 { scale: 100.0, zero_point: 5 };
    let there = model.wire_node("there", ElementWiseOp(Box::new(there), None), &[wire]).expect("wires")[0];
    // Another zero point: no pair.
    let other = DequantizeLinearF32 { scale: 0.01, zero_point: 6 };
    let other = model.wire_node("other", other, &[there]).expect("wires")[0];
    let mask = model.wire_node("sign", sign(), &[other]).expect("wires")[0];
    let product = model.wire_node("product", mul(), &[wire, mask]).expect("wires")[0];
    model.select_output_outlets(&[other, mask, product]).expect("outputs");
    same(model, &[numbers.tensor(&[3, 6, 6])], &[("Levels", 0), ("Signs", 0), ("Signed", 0)], None);
}

fn reference(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/reference").join(file)).expect("is there")
}

#[test]
fn the_reference_networks() {
    let mut numbers = Numbers(3);
    for (file, output, edge) in [("ct.onnx", "logits", 128), ("he.onnx", "embedding", 224)] {
        let model = reference(file);
        let request = Request { output: Some(output.to_owned()), last_maps: false, ..Request::default() };
        let graph = differentiate(&model, &request).expect("has a derivative");
        let (shape, output) = ([1, 3, edge, edge], graph.output_shape.clone());
        let whole = || {
            let model =
                parse(&graph.onnx).expect("parses").with_outputs_by_name(["logits", "grad_input"]).expect("named");
            model.with_input_names([graph.input.as_str(), "cotangent"]).expect("named")
        };
        let inputs = [numbers.tensor(&shape), numbers.tensor(&output)];
        let typed = whole().into_typed().expect("types");
        // The way back spreads within the strided depthwise convolutions, and before the first one, which is of all channels. Into
        // the last maps goes the same for every pixel: their slope is no product of two of one shape.
        let ours = [("Depthwise", 32), ("Spread", 1), ("Signs", 32), ("Signed", 32), ("Sign", 1)];
        // A value next to a kink has another derivative.
        same(typed, &inputs, &ours, Some(Apart { relative: 1e-2, level: 0.0 }));

        // In two halves it is the same.
        let [image, cotangent] = inputs.map(Tensor::into_tvalue);
        let once = plan(whole()).expect("a plan").run(tvec!(image.clone(), cotangent.clone())).expect("runs");
        let halves = halves(whole()).expect("two plans");
        let mut kept = halves.forward.run(tvec!(image)).expect("runs");
        assert!(bits(&kept.remove(0)) == bits(&once[0]));
        kept.insert(0, cotangent);
        let back = halves.backward.run(kept).expect("runs");
        assert!(bits(&back[0]) == bits(&once[1]));
        assert!(bits(&once[1]).iter().any(|&value| value != 0));
    }
}

/// The int8 networks as the engine runs them, with their pictures given plane by plane.
#[test]
fn the_reference_networks_in_int8() {
    let mut numbers = Numbers(5);
    for (file, output, edge) in [("ct.onnx", "logits", 128), ("he.onnx", "embedding", 224)] {
        let model = || {
            let model = parse(&reference(file)).expect("parses");
            let model = model.with_outputs_by_name([output, "features"]).expect("named");
            model.with_input_fact(0, i8::fact([1, edge, edge, 3]).into()).expect("is the input")
        };
        let pixels = edge * edge;
        let planes: Vec<i8> = (0..3 * pixels).map(|_| (numbers.next() >> 56) as i8).collect();
        let interleaved: Vec<i8> = (0..3 * pixels).map(|index| planes[index % 3 * pixels + index / 3]).collect();
        let run = |plan: Arc<TypedRunnableModel>, shape: &[usize], levels: &[i8]| {
            let input = Tensor::from_shape(shape, levels).expect("as many").into_tvalue();
            let outputs = plan.run(tvec!(input)).expect("runs");
            let levels = |output: &TValue| output.as_bytes().iter().map(|byte| byte.cast_signed()).collect();
            outputs.iter().map(levels).collect::<Vec<Vec<i8>>>()
        };
        let theirs = model().into_optimized().expect("optimises").into_runnable().expect("a plan");
        let theirs = run(theirs, &[1, edge, edge, 3], &interleaved);
        let mine = plan_of_planes(model()).expect("a plan");
        assert_eq!(["Depthwise", "Conv"].map(|name| count(mine.model(), name)), [16, 0]);
        let mine = run(mine, &[1, 3, edge, edge], &planes);
        assert_eq!(theirs.len(), mine.len());
        for (theirs, mine) in theirs.iter().zip(&mine) {
            if FUSED {
                let off: u64 = theirs.iter().zip(mine).map(|(&theirs, &mine)| u64::from(theirs.abs_diff(mine))).sum();
                let mean = off as f64 / mine.len() as f64;
                assert!(mean < EngineKind::Tract.tolerance().levels, "{mean} levels of {file}");
                continue;
            }
            let different = theirs.iter().zip(mine).filter(|(theirs, mine)| theirs != mine).count();
            // The first layer adds up in another order over channels than over planes: a sum next to a half may be rounded the
            // other way, which nothing after it can undo.
            assert!(different * 100 < mine.len(), "{different} of {} levels of {file}", mine.len());
        }
    }
}
