//! Why there is no gradient graph.

/// Why a network cannot be differentiated.
#[derive(Debug, thiserror::Error)]
pub enum GradientError {
    /// The bytes are no ONNX model.
    #[error("the file is not an ONNX model")]
    Decode(#[source] prost::DecodeError),
    /// The file says what no valid model says.
    #[error("the model is not valid: {0}")]
    Invalid(String),
    /// An operator, or a form of it, that has no derivative here.
    #[error("the operator {op} of node \"{node}\" has no derivative here: {why}")]
    Unsupported {
        /// ONNX's name of the operator.
        op: String,
        /// The node's name, or its first output's where it has none.
        node: String,
        /// What about it.
        why: String,
    },
    /// A size that is known only when the network runs.
    #[error("axis {axis} of the input \"{input}\" has no fixed size: give the shape of the input (--input-shape)")]
    Dynamic {
        /// The graph's input.
        input: String,
        /// Which of its axes.
        axis: usize,
    },
    /// A tensor that was asked for is not in the network.
    #[error("the network has no tensor \"{0}\"")]
    Missing(String),
    /// Nothing to differentiate: what was asked for does not lead there.
    #[error("\"{to}\" does not depend on \"{from}\"")]
    Unconnected {
        /// What should lead …
        from: String,
        /// … to this.
        to: String,
    },
}

/// A result of this crate.
pub(crate) type Result<T> = std::result::Result<T, GradientError>;

pub(crate) fn invalid<T>(what: impl Into<String>) -> Result<T> {
    Err(GradientError::Invalid(what.into()))
}
