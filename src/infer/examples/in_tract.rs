//! Runs an ONNX model in tract: `in_tract MODEL.onnx FOLDER` reads `FOLDER/INPUT.npy` (float32) for each of the model's
//! inputs and writes `FOLDER/OUTPUT.npy` for each of its outputs. With a number behind, runs it that often and prints the
//! median in ms. What `tests/gradient` asks.

#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    io::{Write as _, stdout},
    path::PathBuf,
    time::Instant,
};

use ndarray::ArrayD;
use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [model, folder, rest @ ..] = words.as_slice() else { return Err("in_tract MODEL.onnx FOLDER [RUNS]".into()) };
    let folder = PathBuf::from(folder);
    let mut model = tract_onnx::onnx().model_for_path(model)?;
    let mut inputs = TVec::new();
    for (index, outlet) in model.input_outlets()?.to_vec().into_iter().enumerate() {
        let name = model.node(outlet.node).name.clone();
        let array: ArrayD<f32> = ndarray_npy::read_npy(folder.join(format!("{name}.npy")))?;
        model.set_input_fact(index, f32::fact(array.shape()).into())?;
        let values: Vec<f32> = array.iter().copied().collect();
        inputs.push(Tensor::from_shape(array.shape(), &values)?.into_tvalue());
    }
    let names: Vec<String> =
        model.output_outlets()?.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
    let plan = model.into_optimized()?.into_runnable()?;
    let outputs = plan.run(inputs.clone())?;
    for (name, output) in names.iter().zip(&outputs) {
        let values: Vec<f32> = output.to_plain_array_view::<f32>()?.iter().copied().collect();
        ndarray_npy::write_npy(folder.join(format!("{name}.npy")), &ArrayD::from_shape_vec(output.shape(), values)?)?;
    }
    if let Some(runs) = rest.first() {
        let mut took = Vec::new();
        for _ in 0..runs.parse::<usize>()?.max(1) {
            let from = Instant::now();
            plan.run(inputs.clone())?;
            took.push(from.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        writeln!(stdout(), "{:.3}", took[took.len() / 2])?;
    }
    Ok(())
}
