//! Sliding windows: what convolutions and pools have in common, for any number of spatial axes.

use crate::{
    error::{Result, invalid},
    proto::Node,
    tensor::elements,
};

/// More taps than any kernel has.
const TAPS_MOST: usize = 1 << 20;

/// How a window slides, each with one number a spatial axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: Vec<i64>,
    pub(crate) strides: Vec<i64>,
    pub(crate) dilations: Vec<i64>,
    /// Before the first element.
    pub(crate) begin: Vec<i64>,
    /// After the last one.
    pub(crate) end: Vec<i64>,
    /// Whether a last window that leaves the padding counts.
    pub(crate) ceil: bool,
}

impl Window {
    /// Reads the window of a node over `space`, the sizes of the input's spatial axes. The padding is what the node says, or
    /// what `auto_pad` makes of the sizes.
    pub(crate) fn of(node: &Node, kernel: &[usize], space: &[usize]) -> Result<Self> {
        let rank = space.len();
        let kernel: Vec<i64> = kernel.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
        let taps = node.ints("kernel_shape").map_or(kernel.clone(), <[i64]>::to_vec);
        if rank == 0
            || taps != kernel
            || kernel.len() != rank
            || kernel.iter().any(|&size| !(1..1 << 20).contains(&size))
        {
            return invalid(format!("the kernel of node \"{}\" does not fit its input", node.label()));
        }
        let strides = node.counts("strides", rank, 1)?;
        let dilations = node.counts("dilations", rank, 1)?;
        if strides.contains(&0) || dilations.contains(&0) {
            return invalid(format!("node \"{}\" has a step of 0", node.label()));
        }
        let pads = node.counts("pads", 2 * rank, 0)?;
        let mut window = Self {
            kernel,
            strides,
            dilations,
            begin: pads[..rank].to_vec(),
            end: pads[rank..].to_vec(),
            ceil: node.int("ceil_mode", 0) != 0,
        };
        match node.text("auto_pad").as_deref() {
            None | Some("NOTSET" | "") => {}
            Some("VALID") => (window.begin, window.end) = (vec![0; rank], vec![0; rank]),
            Some(same @ ("SAME_UPPER" | "SAME_LOWER")) => {
                for (axis, &size) in space.iter().enumerate() {
                    let size = i64::try_from(size).unwrap_or(i64::MAX);
                    let steps = (size + window.strides[axis] - 1) / window.strides[axis];
                    let reach = (steps - 1) * window.strides[axis] + window.reach(axis);
                    let total = (reach - size).max(0);
                    let less = total / 2;
                    let (begin, end) = if same == "SAME_UPPER" { (less, total - less) } else { (total - less, less) };
                    (window.begin[axis], window.end[axis]) = (begin, end);
                }
            }
            Some(other) => return Err(node.unsupported(format!("auto_pad {other}"))),
        }
        Ok(window)
    }

    /// The length that a dilated kernel covers.
    pub(crate) fn reach(&self, axis: usize) -> i64 {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// How often the window fits along each axis of `space`.
    pub(crate) fn steps(&self, node: &Node, space: &[usize]) -> Result<Vec<usize>> {
        (0..space.len())
            .map(|axis| {
                let size = i64::try_from(space[axis]).unwrap_or(i64::MAX);
                let (stride, begin) = (self.strides[axis], self.begin[axis]);
                let room = size + begin + self.end[axis] - self.reach(axis);
                let mut steps =
                    if self.ceil { (room + stride - 1).div_euclid(stride) } else { room.div_euclid(stride) } + 1;
                // A window that begins beyond input and first padding does not count.
                if self.ceil && (steps - 1) * stride >= size + begin {
                    steps -= 1;
                }
                match usize::try_from(steps) {
                    Ok(steps) if steps > 0 => Ok(steps),
                    _ => invalid(format!("the window of node \"{}\" is larger than its input", node.label())),
                }
            })
            .collect()
    }

    /// What a transposed convolution of the same window needs to come back from `steps` to `space`: padding after the last
    /// element, and what is added to the output there.
    pub(crate) fn way_back(&self, space: &[usize], steps: &[usize]) -> (Vec<i64>, Vec<i64>) {
        (0..space.len())
            .map(|axis| {
                let (size, count) = (space[axis] as i64, steps[axis] as i64);
                let cropped = (count - 1) * self.strides[axis] + self.reach(axis) - self.begin[axis] - size;
                (cropped.max(0), (-cropped).max(0))
            })
            .unzip()
    }

    /// The number of elements in a kernel.
    pub(crate) fn taps(&self) -> Result<usize> {
        let kernel: Vec<usize> = self.kernel.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
        match elements(&kernel)? {
            taps if taps <= TAPS_MOST => Ok(taps),
            taps => invalid(format!("a kernel has {taps} elements")),
        }
    }

    /// The position of a tap in the kernel, a number an axis, the last axis fastest.
    pub(crate) fn tap(&self, mut index: usize) -> Vec<i64> {
        let mut at = vec![0; self.kernel.len()];
        for axis in (0..at.len()).rev() {
            let size = usize::try_from(self.kernel[axis]).unwrap_or(1);
            at[axis] = i64::try_from(index % size).unwrap_or(0);
            index /= size;
        }
        at
    }

    /// The node with this window written out.
    pub(crate) fn onto(&self, node: Node) -> Node {
        node.without(&["auto_pad", "output_shape"])
            .with_ints("kernel_shape", self.kernel.clone())
            .with_ints("strides", self.strides.clone())
            .with_ints("dilations", self.dilations.clone())
            .with_ints("pads", [self.begin.clone(), self.end.clone()].concat())
    }
}
