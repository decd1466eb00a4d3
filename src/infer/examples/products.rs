//! What int8 would gain in tract: the matrix products of EfficientNet-Lite0's pointwise convolutions at 224 pixels, each in float
//! and from int8 to 32-bit integers, by the kernels that tract chooses on this machine. `cargo run --release -p hilum-infer --example
//! products`

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a table for whoever runs it")]

use std::time::Instant;

use tract_onnx::{prelude::*, tract_core::ops::einsum::EinSum};

/// Pixels, channels in, channels out.
const PRODUCTS: [[usize; 3]; 12] = [
    [12544, 32, 16],
    [12544, 16, 96],
    [3136, 96, 24],
    [3136, 144, 24],
    [3136, 24, 144],
    [784, 144, 40],
    [784, 40, 240],
    [196, 240, 80],
    [196, 480, 112],
    [196, 112, 672],
    [49, 672, 192],
    [49, 320, 1280],
];
const RUNS: usize = 41;

fn main() -> TractResult<()> {
    println!("pixels × in × out        float ms     int8 ms   int8 / float");
    let mut sums = [0.0; 2];
    for [pixels, channels, outputs] in PRODUCTS {
        let float = median(
            &plan(f32::datum_type(), f32::datum_type(), [pixels, channels, outputs])?,
            f32::datum_type(),
            [pixels, channels],
        )?;
        let int8 = median(
            &plan(i8::datum_type(), i32::datum_type(), [pixels, channels, outputs])?,
            i8::datum_type(),
            [pixels, channels],
        )?;
        let product = format!("{pixels} × {channels} × {outputs}");
        println!("{product:<20} {float:>12.3} {int8:>11.3} {:>14.2}", int8 / float);
        sums = [sums[0] + float, sums[1] + int8];
    }
    println!("{:<20} {:>12.3} {:>11.3} {:>14.2}", "all", sums[0], sums[1], sums[1] / sums[0]);
    Ok(())
}

fn plan(
    of: DatumType,
    sums: DatumType,
    [pixels, channels, outputs]: [usize; 3],
) -> TractResult<Arc<TypedRunnableModel>> {
    let mut model = TypedModel::default();
    let picture = model.add_source("picture", of.fact([pixels, channels]))?;
    let weights = Tensor::zero_dt(of, &[channels, outputs])?;
    let weights = model.add_const("weights", weights)?;
    let product = EinSum { axes: "mk,kn->mn".parse()?, operating_dt: sums, q_params: None };
    let product = model.wire_node("product", product, &[picture, weights])?;
    model.select_output_outlets(&product)?;
    model.into_optimized()?.into_runnable()
}

/// Milliseconds of the middle run.
fn median(plan: &Arc<TypedRunnableModel>, of: DatumType, shape: [usize; 2]) -> TractResult<f64> {
    let picture = Tensor::zero_dt(of, &shape)?.into_tvalue();
    let mut took = (0..RUNS)
        .map(|_| {
            let from = Instant::now();
            plan.run(tvec!(picture.clone()))?;
            Ok(from.elapsed().as_secs_f64() * 1e3)
        })
        .collect::<TractResult<Vec<f64>>>()?;
    took.sort_by(f64::total_cmp);
    Ok(took[RUNS / 2])
}
