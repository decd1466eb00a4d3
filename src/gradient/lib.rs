//! Reverse-mode differentiation of ONNX graphs.
//!
//! A forward network in, its gradient graph out: an ONNX model like any other, which every runtime can run that knows a few
//! common operators. No runtime needs automatic differentiation for it. Quantised networks (QuantizeLinear and
//! DequantizeLinear around float operators) are differentiated as their float twin: weights dequantised, the quantisation of
//! activations passed straight through (Bengio et al. 2013).
//!
//! ```
//! # fn main() -> Result<(), hilum_gradient::GradientError> {
//! # let model: &[u8] = include_bytes!("../../models/reference/ct.onnx");
//! let graph = hilum_gradient::differentiate(model, &hilum_gradient::Request::default())?;
//! assert_eq!((graph.input.as_str(), graph.input_shape.as_slice()), ("image", &[1, 3, 128, 128][..]));
//! assert_eq!(graph.features_shapes, [[1, 1280, 8, 8]]);
//! let _bytes: Vec<u8> = graph.onnx; // inputs image and cotangent; outputs logits, features, grad_features, grad_input
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod error;
mod network;
mod node;
mod proto;
mod rules;
mod shape;
mod tape;
mod tensor;
mod window;

pub use error::GradientError;

use prost::Message as _;

use network::{Network, OPSET};
use proto::{Dimension, Graph, Model, Node, OperatorSet, Shape, TensorType, ValueInfo, ValueType, element};
use tape::Tape;

/// What is to be derived. The default is what an image network needs: its first output, with respect to its input and to its
/// last feature maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The output s; the derivative is that of Σ cotangent · s. The first one if nobody says.
    pub output: Option<String>,
    /// Tensors on the way whose values and derivatives are wanted, too.
    pub features: Vec<String>,
    /// Whether the last feature maps are wanted where `features` names none: the output called `features`, or the last tensor
    /// of four axes with more than one pixel.
    pub last_maps: bool,
    /// The shape of the network's input, where the file leaves one of its sizes open.
    pub input_shape: Option<Vec<usize>>,
    /// Begins here instead of at the network's input: the gradient graph is that of the rest alone, and this tensor its input.
    pub from: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self { output: None, features: Vec::new(), last_maps: true, input_shape: None, from: None }
    }
}

/// A gradient graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GradientGraph {
    /// The ONNX model, opset 15. Its inputs are [`Self::input`] and `cotangent`, of the shape of the output; its outputs
    /// `logits`, `grad_input`, and with feature maps `features`, `grad_features`, then `features_2`, `grad_features_2`, ….
    /// An input of four axes is called `image` and is `[N, C, H, W]`, whatever the order of the network's own, and so are
    /// feature maps that the network has with their channels last.
    pub onnx: Vec<u8>,
    /// The name of the input.
    pub input: String,
    /// Its shape.
    pub input_shape: Vec<usize>,
    /// The shape of `logits` and `cotangent`.
    pub output_shape: Vec<usize>,
    /// The shapes of the feature maps.
    pub features_shapes: Vec<Vec<usize>>,
}

/// Differentiates a network.
///
/// # Errors
/// [`GradientError`] if the bytes are no valid model of fixed shapes, an operator has no derivative, or there is no way from
/// the input to what is asked for.
pub fn differentiate(model: &[u8], request: &Request) -> Result<GradientGraph, GradientError> {
    let network = Network::read(model, request)?;
    let tape = Tape::sweep(&network, "cotangent")?;
    let shape = |name: &str| network.shapes.get(name).cloned().unwrap_or_default();
    let unconnected = |from: &str| GradientError::Unconnected { from: from.to_owned(), to: network.output.clone() };
    let (input_shape, output_shape) = (shape(&network.input), shape(&network.output));
    let mut ends: Vec<(String, String)> = vec![("logits".to_owned(), network.output.clone())];
    let mut end_shapes = vec![output_shape.clone()];
    let (mut turns, mut features_shapes) = (Vec::new(), Vec::new());
    for (index, name) in network.features.iter().enumerate() {
        let suffix = if index == 0 { String::new() } else { format!("_{}", index + 1) };
        let derivative = tape.derivative(name).ok_or_else(|| unconnected(name))?;
        // The derivative of a tensor has its shape.
        let mut shape = shape(name);
        for (end, of) in [(format!("features{suffix}"), name.as_str()), (format!("grad_features{suffix}"), derivative)]
        {
            let mut of = of.to_owned();
            if network.last[index] {
                let turned = format!("{}{end}", network::BACKWARD);
                turns.push(Node::new("Transpose", &[&of], &turned).with_ints("perm", vec![0, 3, 1, 2]));
                of = turned;
            }
            ends.push((end, of));
        }
        if network.last[index] {
            shape[1..].rotate_right(1);
        }
        end_shapes.extend([shape.clone(), shape.clone()]);
        features_shapes.push(shape);
    }
    let derivative = tape.derivative(&network.input).ok_or_else(|| unconnected(&network.input))?;
    ends.push(("grad_input".to_owned(), derivative.to_owned()));
    end_shapes.push(input_shape.clone());

    let identities = ends.iter().map(|(end, of)| Node::new("Identity", &[of], end));
    let mut nodes: Vec<Node> =
        network.nodes.iter().cloned().chain(tape.nodes.iter().cloned()).chain(turns).chain(identities).collect();
    // A file's names of nodes may be those of our ends, or none.
    nodes.iter_mut().for_each(|node| node.name.clone_from(&node.output[0]));
    let used: std::collections::BTreeSet<&String> = nodes.iter().flat_map(|node| &node.input).collect();
    let constants = network.constants.iter().chain(&tape.constants);
    let initializer =
        constants.filter(|(name, _)| used.contains(name)).map(|(name, tensor)| tensor.write(name)).collect();
    let graph = Graph {
        name: "gradient".to_owned(),
        initializer,
        input: vec![value(&network.input, &input_shape), value("cotangent", &output_shape)],
        output: ends.iter().zip(&end_shapes).map(|((name, _), shape)| value(name, shape)).collect(),
        node: nodes,
    };
    let model = Model {
        ir_version: 8,
        producer_name: "hilum-gradient".to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
    };
    Ok(GradientGraph {
        onnx: model.encode_to_vec(),
        features_shapes,
        input: network.input.clone(),
        input_shape,
        output_shape,
    })
}

fn value(name: &str, shape: &[usize]) -> ValueInfo {
    let dim = |&size: &usize| Dimension { value: i64::try_from(size).ok(), symbol: None };
    let shape = Some(Shape { dim: shape.iter().map(dim).collect() });
    let tensor = Some(TensorType { elem_type: element::FLOAT, shape });
    ValueInfo { name: name.to_owned(), kind: Some(ValueType { tensor }) }
}
