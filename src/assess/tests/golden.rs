//! The reference bundle's golden outputs, made by the training framework (`models/hilum_models/golden.py`): every file
//! of the bundle, and the closed-form maps against automatic differentiation (TensorFlow's GradientTape).

use std::path::Path;

use hilum_assess::{ExplainMethod, Explainer, GivenTiles, Question, Ready, Seen, fuse, scores};
use hilum_infer::{
    Bundle, EngineChoice, HeOutput, PublicKey, Quantiser, TensorManifest, Trust, bag, built_in, parse_public_key,
};
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix4};
use ndarray_npy::ReadNpyExt as _;

fn key() -> PublicKey {
    let text = include_str!("../../../models/development.pub");
    parse_public_key(text.lines().nth(1).expect("two lines")).expect("a key")
}

fn reference() -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/reference");
    Bundle::open(&folder, &Trust { keys: vec![key()] }).expect("the reference bundle")
}

fn golden<T: ndarray_npy::ReadableElement>(bundle: &Bundle, name: &str) -> ArrayD<T> {
    let bytes = bundle.file(&format!("golden/{name}")).expect("listed");
    ArrayD::<T>::read_npy(bytes).expect("an array")
}

fn quantiser(tensor: Option<&TensorManifest>) -> Quantiser {
    let tensor = tensor.expect("in the manifest");
    Quantiser::new(tensor.scale, tensor.zero_point).expect("a scale")
}

fn relative_l2(found: &Array2<f32>, want: &Array2<f32>) -> f32 {
    let square = |values: &Array2<f32>| values.mapv(|value| value * value).sum();
    (square(&(found - want)) / square(want).max(f32::MIN_POSITIVE)).sqrt()
}

// verifies: REQ-ENGINE-01
#[test]
fn tract_reproduces_every_golden_picture() {
    let bundle = reference();
    let (_, agreement) = built_in(&bundle, usize::MAX).expect("accepted");
    assert_eq!(agreement.compared, 16);
}

// verifies: REQ-RESULT-03
#[test]
fn head_and_encoder_are_those_of_the_training_framework() {
    let bundle = reference();
    let (engine, _) = built_in(&bundle, 1).expect("proves itself");
    for tiles in [1, 5, 32] {
        let of = |what: &str| golden::<f32>(&bundle, &format!("mil_{tiles}_{what}.npy"));
        let embeddings = of("embeddings").into_dimensionality::<Ix2>().expect("two axes");
        let (logits, attention) = engine.attention(&embeddings).expect("runs");
        for (found, want) in logits.iter().zip(of("logits").iter()).chain(attention.iter().zip(of("attention").iter()))
        {
            assert!((found - want).abs() < 1e-4, "{tiles} tiles: {found} for {want}");
        }
    }
    let metadata = golden::<f32>(&bundle, "metadata.npy").into_dimensionality::<Ix2>().expect("two axes");
    let weights = golden::<f32>(&bundle, "metadata_weights.npy").into_dimensionality::<Ix2>().expect("two axes");
    for (input, want) in metadata.rows().into_iter().zip(weights.rows()) {
        let found = engine.weights([input[0], input[1], input[2]]).expect("runs");
        assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} for {want}");
    }
}

// verifies: REQ-RESULT-03
#[test]
fn fusion_is_that_of_the_training_framework() {
    let bundle = reference();
    let rows =
        |name: &str| golden::<f32>(&bundle, name).into_dimensionality::<Ix2>().expect("two axes").mapv(f64::from);
    let (ct, he, weights) = (rows("fused_ct_logits.npy"), rows("fused_he_logits.npy"), rows("fused_weights.npy"));
    let (logits, probabilities) = (rows("fused_logits.npy"), rows("fused_probabilities.npy"));
    let temperature = bundle.manifest().fusion.temperature;
    for case in 0..ct.nrows() {
        let five = |of: &Array2<f64>| std::array::from_fn(|class| of[[case, class]]);
        let fused = scores(fuse(&five(&ct), &five(&he), [weights[[case, 0]], weights[[case, 1]]]), temperature);
        for class in 0..5 {
            assert!((fused.logits[class] - logits[[case, class]]).abs() < 1e-4);
            assert!((fused.probabilities[class] - probabilities[[case, class]]).abs() < 1e-4);
        }
    }
}

// verifies: REQ-EXPLAIN-03
#[test]
fn maps_are_those_of_automatic_differentiation() {
    let bundle = reference();
    let ready = Ready::choose(bundle, &EngineChoice::built_in(), 1).expect("proves itself");
    let bundle = &ready.bundle;
    let index: serde_json::Value =
        serde_json::from_slice(bundle.file("golden/index.json").expect("listed")).expect("JSON");
    let maps = index["cam"].as_array().expect("a list");
    assert!(maps.len() >= 8, "{} maps", maps.len());
    let quantisation = &bundle.manifest().quantisation;
    for entry in maps {
        let text = |key: &str| entry[key].as_str().expect("text");
        let method: ExplainMethod = text("method").parse().expect("a method");
        let class = usize::try_from(entry["class_index"].as_u64().expect("a number")).expect("small");
        let ct = text("modality") == "ct";
        let of = if ct { &quantisation.ct.tflite } else { &quantisation.he.tflite };
        let real = quantiser(of.output("features"));
        let levels = golden::<i8>(bundle, text("features")).into_dimensionality::<Ix4>().expect("four axes");
        let features: Vec<Array3<f32>> = entry["rows"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| usize::try_from(row.as_u64().expect("a number")).expect("small"))
            .map(|row| levels.index_axis(Axis(0), row).mapv(|level| real.real(level)))
            .collect();
        // Class activation maps look at no picture.
        let none = Array3::zeros((0, 0, 3));
        let (rows, columns, channels) = features[0].dim();
        // The golden bag pools the features itself, so that the derivative runs through everything.
        #[expect(clippy::cast_precision_loss, reason = "49 pixels")]
        let pixels = (rows * columns) as f32;
        let pooled = |features: &Array3<f32>| -> Vec<f32> {
            (0..channels).map(|channel| features.index_axis(Axis(2), channel).sum() / pixels).collect()
        };
        let outputs: Vec<HeOutput> = features
            .iter()
            .map(|features| HeOutput { embedding: pooled(features), features: features.clone() })
            .collect();
        let attention = if ct { Vec::new() } else { ready.engine().attention(&bag(&outputs)).expect("runs").1 };
        let tiles = GivenTiles::new(Vec::new(), outputs, attention);
        let seen = if ct { Seen::Ct(&none, &features[0]) } else { Seen::He(&tiles) };
        let question = Question { seen, class, weight: 1.0, tiles: 1, faithfulness_tiles: 1 };
        let explainer = Explainer::new(&ready, question).expect("a head");
        let found = explainer.map(method, &()).expect("runs");
        let want = golden::<f32>(bundle, text("map"));
        let want = want.into_shape_with_order((found.maps.len(), rows, columns)).expect("the maps' shape");
        for (tile, found) in found.maps.iter().enumerate() {
            let want = want.index_axis(Axis(0), tile).to_owned();
            let both_blank = found.iter().chain(&want).all(|value| value.abs() < 1e-9);
            let apart = relative_l2(found, &want);
            assert!(both_blank || apart < 1e-3, "{} {class} tile {tile}: {apart}", method.name());
        }
    }
}
