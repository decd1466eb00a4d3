//! Reading a forward network: what it computes for the tensors that are asked for, in one form for all ONNX versions, without
//! quantisation, every shape known.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use crate::{
    Request,
    error::{GradientError, Result, invalid},
    proto::{Model, Node, ValueInfo, element},
    shape::{Known, infer, pool_kernel, spatial},
    tensor::{Tensor, elements, positive, sizes},
    window::Window,
};

/// Versions of the operators that can be read; all are written as [`OPSET`].
const OPSETS: std::ops::RangeInclusive<i64> = 11..=22;
/// The version that is written: ONNX Runtime, tract and TensorFlow's converters know it.
pub(crate) const OPSET: i64 = 15;

/// Names that a gradient graph gives a meaning of its own.
const RESERVED: [&str; 6] = ["image", "cotangent", "logits", "features", "grad_features", "grad_input"];

/// What the names of backward tensors begin with.
pub(crate) const BACKWARD: &str = "backward/";

/// A network, ready to be differentiated.
pub(crate) struct Network {
    /// In an order in which they can be run; only what leads to the output or to the features.
    pub(crate) nodes: Vec<Node>,
    pub(crate) constants: BTreeMap<String, Tensor>,
    /// Of every tensor that is left, constants included.
    pub(crate) shapes: BTreeMap<String, Vec<usize>>,
    /// What the derivative is taken with respect to.
    pub(crate) input: String,
    pub(crate) output: String,
    /// The feature maps.
    pub(crate) features: Vec<String>,
    /// Which of them have their channels last.
    pub(crate) last: Vec<bool>,
    /// The tensors between input and output: they depend on the one and lead to the other.
    pub(crate) between: BTreeSet<String>,
}

/// A network as it is read, node by node.
struct Reader {
    opset: i64,
    nodes: Vec<Node>,
    constants: BTreeMap<String, Tensor>,
    shapes: BTreeMap<String, Vec<usize>>,
    /// What a tensor is, that is only another name of it or the same without quantisation.
    aliases: BTreeMap<String, String>,
    /// The network's own input of shape `[N, H, W, C]`, which the image of shape `[N, C, H, W]` must be turned into.
    channels_last: Option<String>,
    /// Tensors whose channels are last: what was turned so, and what was computed of it element by element.
    last: BTreeSet<String>,
}

/// A name within the network that does not collide with what a gradient graph calls its own.
fn own(name: &str) -> String {
    if RESERVED.contains(&name)
        || name.starts_with(BACKWARD)
        || name.starts_with("features_")
        || name.starts_with("grad_")
    {
        format!("{name}/forward")
    } else {
        name.to_owned()
    }
}

/// Which nodes lead to what is asked for, in the file's own names. A node must come after what it reads.
fn needed<'a>(nodes: &[Node], wanted: impl Iterator<Item = &'a String>) -> Vec<bool> {
    let mut names: BTreeSet<&str> = wanted.map(String::as_str).collect();
    let mut needed: Vec<bool> = nodes
        .iter()
        .rev()
        .map(|node| {
            let needed = node.output.iter().any(|name| names.contains(name.as_str()));
            if needed {
                names.extend(node.input.iter().map(String::as_str));
            }
            needed
        })
        .collect();
    needed.reverse();
    needed
}

/// Operators that leave the order of axes as it is.
const ALIKE: [&str; 17] = [
    "Identity",
    "Cast",
    "QuantizeLinear",
    "DequantizeLinear",
    "Dropout",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "Clip",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Pad",
    "Slice",
];

/// Whether the network takes its image with the channels last: it turns it around before it does anything but compute with
/// every element alike, pad or cut.
fn channels_last(nodes: &[Node], input: &str) -> bool {
    let mut names = BTreeSet::from([input]);
    for node in nodes {
        if !node.input.iter().any(|name| names.contains(name.as_str())) {
            continue;
        }
        if node.op_type == "Transpose" && node.ints("perm") == Some(&[0, 3, 1, 2]) {
            return true;
        }
        if ALIKE.contains(&node.op_type.as_str()) {
            names.extend(node.output.iter().map(String::as_str));
        }
    }
    false
}

impl Network {
    pub(crate) fn read(bytes: &[u8], request: &Request) -> Result<Self> {
        let model = Model::decode(bytes).map_err(GradientError::Decode)?;
        let version = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
        let opset = version.map_or(0, |set| set.version);
        let graph = model.graph.unwrap_or_default();
        if graph.node.is_empty() {
            return invalid("it has no nodes");
        }
        if !OPSETS.contains(&opset) {
            return invalid(format!(
                "its operators are of version {opset}, not {} to {}",
                OPSETS.start(),
                OPSETS.end()
            ));
        }
        let mut reader = Reader {
            opset,
            nodes: Vec::new(),
            constants: BTreeMap::new(),
            shapes: BTreeMap::new(),
            aliases: BTreeMap::new(),
            channels_last: None,
            last: BTreeSet::new(),
        };
        for initializer in &graph.initializer {
            reader.constant(own(&initializer.name), Tensor::read(initializer)?)?;
        }
        let initial: BTreeSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let inputs: Vec<&ValueInfo> =
            graph.input.iter().filter(|input| !initial.contains(input.name.as_str())).collect();
        let [given] = inputs[..] else { return invalid(format!("it has {} inputs; it must have one", inputs.len())) };
        let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
        let Some(wanted) = request.output.clone().or_else(|| outputs.first().cloned()) else {
            return invalid("it has no output");
        };
        let mut input = reader.input(given, request.input_shape.as_deref(), channels_last(&graph.node, &given.name))?;
        let called = outputs.iter().filter(|name| request.last_maps && *name == "features");
        let named = [&wanted].into_iter().chain(&request.features).chain(&request.from).chain(called);
        let wanted_nodes = needed(&graph.node, named);
        for node in graph.node.into_iter().zip(wanted_nodes).filter_map(|(node, needed)| needed.then_some(node)) {
            reader.node(node)?;
        }
        let output = reader.named(&wanted)?;
        if let Some(from) = &request.from {
            let start = reader.named(from)?;
            let network = reader.between(&input, &output);
            let start = reader.on_the_way(start, &network, from, &wanted)?;
            input = reader.cut(&start, from);
        }
        let between = reader.between(&input, &output);
        if !between.contains(&input) {
            return Err(GradientError::Unconnected { from: input, to: wanted });
        }
        let mut features = Vec::new();
        for name in &request.features {
            let tensor = reader.named(name)?;
            features.push(reader.on_the_way(tensor, &between, name, &wanted)?);
        }
        if request.last_maps && features.is_empty() {
            features.extend(reader.last_maps(&outputs, &between));
        }
        let last = features.iter().map(|name| reader.last.contains(name)).collect();
        let mut network = Self {
            nodes: reader.nodes,
            constants: reader.constants,
            shapes: reader.shapes,
            input,
            output,
            features,
            last,
            between,
        };
        network.prune();
        Ok(network)
    }

    /// Leaves out what leads neither to the output nor to the features.
    fn prune(&mut self) {
        let mut needed: BTreeSet<String> = self.features.iter().cloned().chain([self.output.clone()]).collect();
        let mut kept = Vec::new();
        for node in std::mem::take(&mut self.nodes).into_iter().rev() {
            if node.output.iter().any(|name| needed.contains(name)) {
                needed.extend(node.input.iter().cloned());
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
        self.constants.retain(|name, _| needed.contains(name));
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known { shapes: &self.shapes, constants: &self.constants }
    }
}

impl Reader {
    fn constant(&mut self, name: String, tensor: Tensor) -> Result<()> {
        if self.shapes.insert(name.clone(), tensor.shape.clone()).is_some() {
            return invalid(format!("\"{name}\" is given twice"));
        }
        self.constants.insert(name, tensor);
        Ok(())
    }

    /// The network's input with a fixed shape; an image always as `[N, C, H, W]`.
    fn input(&mut self, given: &ValueInfo, wanted: Option<&[usize]>, channels_last: bool) -> Result<String> {
        let tensor = given.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
        if let Some(tensor) = tensor
            && ![element::FLOAT, element::INT8, element::UINT8].contains(&tensor.elem_type)
        {
            return invalid(format!("its input \"{}\" has elements of type {}", given.name, tensor.elem_type));
        }
        let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
        let shape = match (wanted, dims) {
            (Some(wanted), Some(dims)) => {
                let fits = |(size, dim): (&usize, &crate::proto::Dimension)| {
                    dim.value.is_none_or(|value| value <= 0 || usize::try_from(value) == Ok(*size))
                };
                if wanted.len() != dims.len() || !wanted.iter().zip(dims).all(fits) {
                    return invalid(format!("its input \"{}\" cannot have the shape {wanted:?}", given.name));
                }
                wanted.to_vec()
            }
            (Some(wanted), None) => wanted.to_vec(),
            (None, Some(dims)) => {
                if let Some(axis) = dims.iter().position(|dim| dim.value.is_none_or(|value| value == 0)) {
                    return Err(GradientError::Dynamic { input: given.name.clone(), axis });
                }
                sizes(&dims.iter().map(|dim| dim.value.unwrap_or_default()).collect::<Vec<_>>())?
            }
            (None, None) => return Err(GradientError::Dynamic { input: given.name.clone(), axis: 0 }),
        };
        if elements(&shape)? == 0 {
            return invalid(format!("its input \"{}\" is empty: {shape:?}", given.name));
        }
        let &[batch, rows, columns, channels] = shape.as_slice() else {
            let name = own(&given.name);
            self.shapes.insert(name.clone(), shape);
            return Ok(name);
        };
        let image = "image".to_owned();
        if channels_last {
            self.shapes.insert(image.clone(), vec![batch, channels, rows, columns]);
            let last = own(&given.name);
            self.shapes.insert(last.clone(), shape);
            self.channels_last = Some(last.clone());
            self.nodes.push(Node::new("Transpose", &[&image], &last).with_ints("perm", vec![0, 2, 3, 1]));
        } else {
            self.shapes.insert(image.clone(), shape);
            self.aliases.insert(own(&given.name), image.clone());
        }
        Ok(image)
    }

    /// The tensor that is meant by a name of the file.
    fn named(&self, name: &str) -> Result<String> {
        let found = self.resolved(&own(name));
        if self.shapes.contains_key(&found) && !self.constants.contains_key(&found) {
            Ok(found)
        } else {
            Err(GradientError::Missing(name.to_owned()))
        }
    }

    fn resolved(&self, name: &str) -> String {
        self.aliases.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn known(&self) -> Known<'_> {
        Known { shapes: &self.shapes, constants: &self.constants }
    }

    fn fresh(&self, name: &str) -> String {
        let mut fresh = name.to_owned();
        while self.shapes.contains_key(&fresh) || self.aliases.contains_key(&fresh) {
            fresh.push('_');
        }
        fresh
    }

    /// Takes in the next node.
    fn node(&mut self, mut node: Node) -> Result<()> {
        if !(node.domain.is_empty() || node.domain == "ai.onnx") {
            return Err(node.unsupported(format!("it is of the domain {}", node.domain)));
        }
        node.domain.clear();
        let Some(output) = node.output.first().filter(|name| !name.is_empty()).map(|name| own(name)) else {
            return invalid(format!("node \"{}\" ({}) has no output", node.label(), node.op_type));
        };
        if self.shapes.contains_key(&output) || self.aliases.contains_key(&output) {
            return invalid(format!("\"{output}\" is given twice"));
        }
        for name in node.input.iter_mut().filter(|name| !name.is_empty()) {
            *name = self.resolved(&own(name));
            if !self.shapes.contains_key(name) {
                return invalid(format!(
                    "node \"{}\" ({}) reads \"{name}\", which nothing before it gives",
                    if node.name.is_empty() { &output } else { &node.name },
                    node.op_type
                ));
            }
        }
        node.output = vec![output.clone()];
        let (label, op) = (node.label().to_owned(), node.op_type.clone());
        self.understood(node, output).map_err(|error| match error {
            GradientError::Invalid(what) if !what.contains(&label) => {
                GradientError::Invalid(format!("node \"{label}\" ({op}): {what}"))
            }
            error => error,
        })
    }

    fn understood(&mut self, node: Node, output: String) -> Result<()> {
        if let Some(tensor) = self.folded(&node)? {
            return self.constant(output, tensor);
        }
        if let Some(of) = self.same_as(&node)? {
            self.aliases.insert(output, of);
            return Ok(());
        }
        self.push(node)
    }

    /// Adds a node with the shape of what it gives.
    fn push(&mut self, node: Node) -> Result<()> {
        let node = self.canonical(node)?;
        self.finished(node)
    }

    /// Adds a node as [`OPSET`] has it.
    fn finished(&mut self, node: Node) -> Result<()> {
        self.quantised_by_mistake(&node)?;
        let shape = infer(&node, &self.known())?;
        let output = node.output[0].clone();
        let turned = node.op_type == "Transpose" && node.ints("perm") == Some(&[0, 2, 3, 1]);
        let alike = ALIKE.contains(&node.op_type.as_str()) && node.input.iter().any(|name| self.last.contains(name));
        if turned || (alike && shape.len() == 4) {
            self.last.insert(output.clone());
        }
        self.shapes.insert(output, shape);
        self.nodes.push(node);
        Ok(())
    }

    /// The value of a node that gives a constant.
    fn folded(&self, node: &Node) -> Result<Option<Tensor>> {
        let constant = |index: usize| node.optional(index).and_then(|name| self.constants.get(name));
        match node.op_type.as_str() {
            "Constant" => {
                if let Some(tensor) = node.attribute("value").and_then(|value| value.t.as_ref()) {
                    return Tensor::read(tensor).map(Some);
                }
                let attribute = node.attribute.first().ok_or_else(|| node.unsupported("it has no value"))?;
                match attribute.name.as_str() {
                    "value_float" => Ok(Some(Tensor::float(Vec::new(), vec![attribute.f]))),
                    "value_floats" => Ok(Some(Tensor::float(vec![attribute.floats.len()], attribute.floats.clone()))),
                    "value_int" => Ok(Some(Tensor::int(attribute.i))),
                    "value_ints" => Ok(Some(Tensor::ints(attribute.ints.clone()))),
                    other => Err(node.unsupported(format!("its value is a {other}"))),
                }
            }
            "DequantizeLinear" => match (constant(0), constant(1)) {
                (Some(levels), Some(scale)) => levels.dequantised(scale, constant(2), node.int("axis", 1)).map(Some),
                _ => Ok(None),
            },
            "QuantizeLinear" => match (constant(0), constant(1)) {
                (Some(values), Some(scale)) => values.quantised(scale, constant(2), node.int("axis", 1)).map(Some),
                _ => Ok(None),
            },
            "Identity" => Ok(constant(0).cloned()),
            _ => Ok(None),
        }
    }

    /// What a node only hands on, seen without quantisation.
    fn same_as(&self, node: &Node) -> Result<Option<String>> {
        let first = || node.needed(0).map(|name| Some(name.to_owned()));
        match node.op_type.as_str() {
            "Identity" | "QuantizeLinear" | "DequantizeLinear" => first(),
            "Dropout" => {
                let training = node.optional(2).and_then(|name| self.constants.get(name)).and_then(Tensor::integers);
                if node.optional(2).is_some() && training != Some(&[0]) {
                    return Err(node.unsupported("it is meant for training"));
                }
                first()
            }
            "Cast"
                if node.int("to", 0) == i64::from(element::FLOAT) && !self.constants.contains_key(node.needed(0)?) =>
            {
                first()
            }
            // Back to the image's own order of axes.
            "Transpose"
                if self.channels_last.is_some()
                    && node.optional(0) == self.channels_last.as_deref()
                    && node.ints("perm") == Some(&[0, 3, 1, 2]) =>
            {
                Ok(Some("image".to_owned()))
            }
            "ReduceMean" | "ReduceSum" if self.known().axes(node)?.is_empty() => first(),
            _ => Ok(None),
        }
    }

    /// The node as [`OPSET`] has it.
    fn canonical(&mut self, mut node: Node) -> Result<Node> {
        let (opset, output) = (self.opset, node.output[0].clone());
        let into_input = |reader: &mut Self, mut node: Node, attribute: &str, at: usize| -> Result<Node> {
            if let Some(values) = node.ints(attribute).map(<[i64]>::to_vec) {
                let name = reader.fresh(&format!("{output}/{attribute}"));
                reader.constant(name.clone(), Tensor::ints(values))?;
                node.input.resize(node.input.len().max(at + 1), String::new());
                node.input[at] = name;
            }
            Ok(node.without(&[attribute]))
        };
        match node.op_type.as_str() {
            "Squeeze" | "Unsqueeze" => node = into_input(self, node, "axes", 1)?,
            "ReduceSum" | "ReduceMean" => {
                let axes: Vec<i64> = self.known().axes(&node)?.iter().map(|&axis| axis as i64).collect();
                let mean = node.op_type == "ReduceMean";
                node.input.truncate(1);
                node = node.without(&["noop_with_empty_axes"]).with_ints("axes", axes);
                if !mean {
                    node = into_input(self, node, "axes", 1)?;
                }
            }
            "Transpose" => {
                let rank = self.known().shape_of(&node, 0)?.len();
                let permutation = crate::shape::permutation(&node, rank)?;
                node = node.with_ints("perm", permutation.iter().map(|&axis| axis as i64).collect());
            }
            "Pad" => {
                if let Some(mode) = node.text("mode").filter(|mode| mode != "constant") {
                    return Err(node.unsupported(format!("its mode is {mode}")));
                }
                if let Some(axes) = self.known().integers(&node, 3)? {
                    let rank = self.known().shape_of(&node, 0)?.len();
                    let given = self.known().integers(&node, 1)?.unwrap_or_default();
                    let mut pads = vec![0; 2 * rank];
                    if given.len() != 2 * axes.len() {
                        return invalid(format!("node \"{}\" pads other axes than it names", node.label()));
                    }
                    for (index, &axis) in axes.iter().enumerate() {
                        let axis = positive(axis, rank)?;
                        (pads[axis], pads[axis + rank]) = (given[index], given[index + axes.len()]);
                    }
                    node.input.truncate(3);
                    node = into_input(self, node.with_ints("pads", pads), "pads", 1)?;
                }
                node = self.cropped_first(node.without(&["mode"]))?;
            }
            "Slice" => {
                let shape = self.known().shape_of(&node, 0)?.to_vec();
                let of = |index: usize| {
                    self.known().integers(&node, index).map(|values| values.unwrap_or_default().to_vec())
                };
                let (starts, ends, axes, steps) = (of(1)?, of(2)?, of(3)?, of(4)?);
                let axes = if axes.is_empty() { (0..starts.len() as i64).collect() } else { axes };
                if starts.len() != axes.len() || ends.len() != axes.len() || steps.iter().any(|&step| step != 1) {
                    return Err(
                        node.unsupported("its steps are not 1, or it does not say where every axis begins and ends")
                    );
                }
                let mut bounds: Vec<(i64, i64)> = shape.iter().map(|&size| (0, size as i64)).collect();
                for (index, &axis) in axes.iter().enumerate() {
                    let axis = positive(axis, shape.len())?;
                    let size = shape[axis] as i64;
                    let at = |end: i64| if end < 0 { end.saturating_add(size) } else { end }.clamp(0, size);
                    bounds[axis] = (at(starts[index]), at(ends[index]));
                }
                return self.sliced(node.needed(0)?.to_owned(), &bounds, &output);
            }
            "Softmax" => {
                let shape = self.known().shape_of(&node, 0)?.to_vec();
                let axis = positive(node.int("axis", if opset < 13 { 1 } else { -1 }), shape.len())?;
                if opset < 13 && shape[axis + 1..].iter().any(|&size| size != 1) {
                    // Over several axes at once: over one that holds them all, and back.
                    let flat = [elements(&shape[..axis])?, elements(&shape[axis..])?].map(|size| size as i64);
                    let back = shape.iter().map(|&size| size as i64).collect();
                    let [before, after, to, from] =
                        ["flat", "softmax", "flat_shape", "shape"].map(|what| self.fresh(&format!("{output}/{what}")));
                    self.constant(to.clone(), Tensor::ints(flat.to_vec()))?;
                    self.constant(from.clone(), Tensor::ints(back))?;
                    self.push(Node::new("Reshape", &[node.needed(0)?, &to], &before))?;
                    self.push(Node::new("Softmax", &[&before], &after).with_int("axis", 1))?;
                    return Ok(Node::new("Reshape", &[&after, &from], &output));
                }
                node = node.with_int("axis", axis as i64);
            }
            "BatchNormalization" => {
                if node.int("training_mode", 0) != 0 {
                    return Err(node.unsupported("it is meant for training"));
                }
                node = node.without(&["training_mode", "momentum", "spatial"]);
            }
            "Conv" => {
                let (_, _, space) = spatial(&node, self.known().shape_of(&node, 0)?)?;
                let (_, _, kernel) = spatial(&node, self.known().shape_of(&node, 1)?)?;
                node = Window::of(&node, kernel, space)?.onto(node);
            }
            "ConvTranspose" => {
                let (_, _, space) = spatial(&node, self.known().shape_of(&node, 0)?)?;
                let (_, _, kernel) = spatial(&node, self.known().shape_of(&node, 1)?)?;
                let mut window = Window::of(&node.clone().without(&["auto_pad"]), kernel, space)?;
                cropped(&node, &mut window, space)?;
                node = window.onto(node);
            }
            "AveragePool" | "MaxPool" => {
                let (_, _, space) = spatial(&node, self.known().shape_of(&node, 0)?)?;
                let window = Window::of(&node, &pool_kernel(&node)?, space)?;
                node = window.onto(node).without(&["storage_order"]);
                if node.op_type == "AveragePool" {
                    if window.dilations.iter().any(|&dilation| dilation != 1) {
                        return Err(node.unsupported("it is dilated"));
                    }
                    node = node.without(&["dilations"]);
                }
            }
            _ => {}
        }
        Ok(node)
    }

    /// A Slice with every axis named.
    fn sliced(&mut self, input: String, bounds: &[(i64, i64)], output: &str) -> Result<Node> {
        let columns = [
            ("starts", bounds.iter().map(|bound| bound.0).collect()),
            ("ends", bounds.iter().map(|bound| bound.1).collect()),
            ("axes", (0..bounds.len() as i64).collect::<Vec<_>>()),
        ];
        let mut names = vec![input];
        for (what, values) in columns {
            let name = self.fresh(&format!("{output}/{what}"));
            self.constant(name.clone(), Tensor::ints(values))?;
            names.push(name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(Node::new("Slice", &names, output))
    }

    /// A Pad that takes something away as a Slice and a Pad: not every runtime pads by less than nothing.
    fn cropped_first(&mut self, node: Node) -> Result<Node> {
        let pads = self.known().integers(&node, 1)?.unwrap_or_default().to_vec();
        let shape = self.known().shape_of(&node, 0)?.to_vec();
        let rank = shape.len();
        let far = |pad: &i64| pad.unsigned_abs() > 1 << 31;
        if pads.len() != 2 * rank || pads.iter().any(far) || pads.iter().all(|&pad| pad >= 0) {
            return Ok(node);
        }
        let bounds: Vec<(i64, i64)> =
            (0..rank).map(|axis| ((-pads[axis]).max(0), shape[axis] as i64 + pads[axis + rank].min(0))).collect();
        let output = node.output[0].clone();
        let [cropped, added] = ["cropped", "added"].map(|what| self.fresh(&format!("{output}/{what}")));
        let slice = self.sliced(node.needed(0)?.to_owned(), &bounds, &cropped)?;
        self.finished(slice)?;
        self.constant(added.clone(), Tensor::ints(pads.iter().map(|&pad| pad.max(0)).collect()))?;
        let inputs: Vec<&str> = [cropped.as_str(), &added].into_iter().chain(node.optional(2)).collect();
        Ok(Node::new("Pad", &inputs, &output))
    }

    /// Levels are real numbers only once they are dequantised: an operator that computes with constant levels is not that of
    /// the real network.
    fn quantised_by_mistake(&self, node: &Node) -> Result<()> {
        let whole: &[usize] = match node.op_type.as_str() {
            "Reshape" | "Squeeze" | "Unsqueeze" | "ReduceSum" | "Pad" => &[1],
            "Slice" => &[1, 2, 3],
            _ => &[],
        };
        for (index, name) in node.input.iter().enumerate().filter(|(index, _)| !whole.contains(index)) {
            if self.constants.get(name).is_some_and(|tensor| tensor.integers().is_some()) {
                return Err(node.unsupported(format!("its input {index} is a constant of whole numbers")));
            }
        }
        Ok(())
    }

    /// What depends on `input` and leads to `output`, both included.
    fn between(&self, input: &str, output: &str) -> BTreeSet<String> {
        let mut after = BTreeSet::from([input.to_owned()]);
        for node in &self.nodes {
            if node.input.iter().any(|name| after.contains(name)) {
                after.extend(node.output.iter().cloned());
            }
        }
        let mut before = BTreeSet::from([output.to_owned()]);
        for node in self.nodes.iter().rev() {
            if node.output.iter().any(|name| before.contains(name)) {
                before.extend(node.input.iter().cloned());
            }
        }
        after.intersection(&before).cloned().collect()
    }

    fn producer(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.output.iter().any(|output| output == name))
    }

    /// The tensor itself, or what it is only another order of axes of, if that leads to the output.
    fn on_the_way(&self, tensor: String, between: &BTreeSet<String>, from: &str, to: &str) -> Result<String> {
        let mut at = tensor;
        loop {
            match self.producer(&at).filter(|node| node.op_type == "Transpose") {
                // Maps are channels first wherever the network has them that way, too.
                Some(node) if !between.contains(&at) || node.ints("perm") == Some(&[0, 2, 3, 1]) => {
                    let before = node.input[0].clone();
                    if between.contains(&at) && (!between.contains(&before) || before == "image") {
                        return Ok(at);
                    }
                    at = before;
                }
                _ if between.contains(&at) => return Ok(at),
                _ => return Err(GradientError::Unconnected { from: from.to_owned(), to: to.to_owned() }),
            }
        }
    }

    /// Makes a tensor the input, under another name.
    fn cut(&mut self, tensor: &str, name: &str) -> String {
        let mut name = name.to_owned();
        if name != tensor {
            while self.shapes.contains_key(&name) || self.aliases.contains_key(&name) {
                name.push_str("/from");
            }
        }
        self.nodes.retain(|node| node.output.iter().all(|output| output != tensor));
        for node in &mut self.nodes {
            node.input.iter_mut().filter(|input| *input == tensor).for_each(|input| input.clone_from(&name));
        }
        if let Some(shape) = self.shapes.get(tensor).cloned() {
            self.shapes.insert(name.clone(), shape);
        }
        name
    }

    /// The feature maps that are meant when nobody says: an output that is called so, or the last maps of more than one pixel
    /// on the way to the output.
    fn last_maps(&self, outputs: &[String], between: &BTreeSet<String>) -> Option<String> {
        let called = outputs.iter().find(|name| *name == "features").and_then(|name| {
            let tensor = self.named(name).ok()?;
            self.on_the_way(tensor, between, name, name).ok()
        });
        let maps = |name: &&String| {
            let shape = self.shapes.get(*name).map_or(&[][..], Vec::as_slice);
            between.contains(*name) && shape.len() == 4 && shape[1..].iter().filter(|&&size| size > 1).count() >= 2
        };
        let last = || self.nodes.iter().rev().flat_map(|node| &node.output).find(maps).cloned();
        let last = called.or_else(last)?;
        self.on_the_way(last, between, "features", "output").ok()
    }
}

/// What `auto_pad` and `output_shape` of a transposed convolution make of its padding.
fn cropped(node: &Node, window: &mut Window, space: &[usize]) -> Result<()> {
    let same = node.text("auto_pad");
    let wanted = node.ints("output_shape").filter(|shape| !shape.is_empty());
    let added = node.counts("output_padding", space.len(), 0)?;
    let upper = match same.as_deref() {
        Some("SAME_UPPER") => true,
        Some("VALID") if wanted.is_none() => {
            (window.begin, window.end) = (vec![0; space.len()], vec![0; space.len()]);
            return Ok(());
        }
        None | Some("NOTSET" | "") if wanted.is_none() => return Ok(()),
        _ => false,
    };
    for axis in 0..space.len() {
        let size = space[axis] as i64;
        let wanted = match wanted {
            Some(shape) if shape.len() == space.len() => shape[axis],
            Some(_) => return invalid(format!("output_shape of node \"{}\" has other axes", node.label())),
            None => size * window.strides[axis],
        };
        let total = (size - 1) * window.strides[axis] + added[axis] + window.reach(axis) - wanted;
        if !(0..1 << 31).contains(&total) {
            return Err(node.unsupported("its output_shape is larger than what it computes"));
        }
        let less = total / 2;
        (window.begin[axis], window.end[axis]) = if upper { (less, total - less) } else { (total - less, less) };
    }
    Ok(())
}
