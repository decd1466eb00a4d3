//! The six methods on the reference bundle: what they must be whatever the networks have learned.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hilum_assess::{
    AssessFault, CtInput, ExplainMethod, Explainer, GivenTiles, Heat, Outcome, Part, Question, Ready, Seen, Study,
    Timings, Used, Verdict, Wanted, Watch, assess, shown_map,
};
use hilum_domain::{Metadata, Modality, PerClass, Point};
use hilum_imaging::{Grid, Random, Volume, over_grid};
use hilum_infer::{
    Bundle, CtOutput, Engine, EngineChoice, EngineFault, HeOutput, Tolerance, Trust, TwinNetwork, bag, parse_public_key,
};
use ndarray::{Array2, Array3, ArrayD, ArrayView3, Axis, Ix4};
use ndarray_npy::ReadNpyExt as _;

fn ready() -> Ready {
    let text = include_str!("../../../models/development.pub");
    let key = parse_public_key(text.lines().nth(1).expect("two lines")).expect("a key");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/reference");
    let bundle = Bundle::open(&folder, &Trust { keys: vec![key] }).expect("the reference bundle");
    Ready::choose(bundle, &EngineChoice::built_in(), 1).expect("proves itself")
}

/// A golden picture, normalised, and its levels.
fn picture(ready: &Ready, name: &str, row: usize) -> (Array3<f32>, Array3<u8>) {
    let bytes = ready.bundle.file(&format!("golden/{name}")).expect("listed");
    let all = ArrayD::<i8>::read_npy(bytes).expect("an array").into_dimensionality::<Ix4>().expect("four axes");
    let levels = all.index_axis(Axis(0), row).mapv(|level| level.cast_unsigned() ^ 0x80);
    (levels.mapv(|level| (f32::from(level) - 127.0) / 128.0), levels)
}

fn ct(ready: &Ready, row: usize) -> (Array3<f32>, CtOutput) {
    let (picture, levels) = picture(ready, "ct_image.npy", row);
    let output = ready.engine().ct(levels.view()).expect("runs");
    (picture, output)
}

fn tiles(ready: &Ready, count: usize) -> GivenTiles {
    let (pictures, outputs): (Vec<_>, Vec<_>) = (0..count)
        .map(|row| {
            let (picture, levels) = picture(ready, "he_image.npy", row);
            (picture, ready.engine().he(levels.as_slice().expect("contiguous")).expect("runs"))
        })
        .unzip();
    let (_, attention) = ready.engine().attention(&bag(&outputs)).expect("runs");
    GivenTiles::new(pictures, outputs, attention)
}

fn question(seen: Seen<'_>, class: usize) -> Question<'_> {
    Question { seen, class, weight: 1.0, tiles: 2, faithfulness_tiles: 1 }
}

fn correlation(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let of = |map: &Array2<f32>| {
        let map = map.mapv(f64::from);
        let mean = map.mean().unwrap_or(0.0);
        map - mean
    };
    let (a, b) = (of(a), of(b));
    (&a * &b).sum() / ((&a * &a).sum() * (&b * &b).sum()).sqrt().max(f64::MIN_POSITIVE)
}

#[test]
fn integrated_gradients_add_up() {
    let ready = ready();
    let (picture, output) = ct(&ready, 1);
    let explainer = Explainer::new(&ready, question(Seen::Ct(&picture, &output.features), 1)).expect("prepares");
    let heat = explainer.map(ExplainMethod::IntegratedGradients, &()).expect("runs");
    let twin = TwinNetwork::load(&ready.bundle, Modality::Ct).expect("loads");
    let logit = |picture: &Array3<f32>| f64::from(twin.forward(picture).expect("runs").output[1]);
    let baseline = Array3::from_elem(picture.dim(), -127.0 / 128.0);
    let wanted = logit(&picture) - logit(&baseline);
    let found: f64 = heat.maps[0].iter().map(|&value| f64::from(value)).sum();
    let gap = heat.completeness_gap.expect("said");
    assert!(((found - wanted).abs() - gap).abs() < 1e-3, "{found} {wanted} {gap}");
    assert!(gap < 0.25 * wanted.abs().max(1.0), "{gap} of {wanted}");
}

/// An engine whose first logit is how bright a patch is: what matters to it, and where, is known.
struct Bright(Arc<dyn Engine>);

impl Engine for Bright {
    fn name(&self) -> &'static str {
        "bright"
    }

    fn tolerance(&self) -> Tolerance {
        self.0.tolerance()
    }

    fn ct(&self, levels: ArrayView3<'_, u8>) -> Result<CtOutput, EngineFault> {
        let sum: f32 = levels.iter().map(|&level| f32::from(level)).sum();
        let CtOutput { features, .. } = self.0.ct(levels)?;
        #[expect(clippy::cast_precision_loss, reason = "the pixels of a patch")]
        let mean = sum / levels.len() as f32;
        Ok(CtOutput { logits: [mean * 0.05, 0.0, 0.0, 0.0, 0.0], features })
    }

    fn he(&self, levels: &[u8]) -> Result<HeOutput, EngineFault> {
        self.0.he(levels)
    }

    fn attention(&self, embeddings: &Array2<f32>) -> Result<(PerClass<f32>, Vec<f32>), EngineFault> {
        self.0.attention(embeddings)
    }

    fn weights(&self, metadata: [f32; 3]) -> Result<[f32; 2], EngineFault> {
        self.0.weights(metadata)
    }
}

// verifies: REQ-EXPLAIN-03
#[test]
fn a_bright_corner_is_followed_to_its_place_in_the_patient() {
    let ready = ready();
    let used = Used { engine: Arc::new(Bright(ready.engine())), ..ready.used() };
    let ready = Ready::with(ready.bundle, used).expect("fits");
    // Anisotropic, turned a little about the patient's axis, cut from feet to head.
    let grid = Grid {
        size: [160, 150, 40],
        origin_lps_mm: [-80.0, 60.0, -300.0],
        step_lps_mm: [[0.9, 0.08, 0.0], [-0.1, 1.1, 0.0], [0.0, 0.0, 2.5]],
    };
    let lesion = Point::new([-12.0, 135.0, -250.0]);
    for corner in [[-40.0, -40.0, 0.0], [40.0, 40.0, 0.0], [-40.0, 40.0, 0.0]] {
        let planted: [f64; 3] = std::array::from_fn(|axis| lesion.lps_mm[axis] + corner[axis]);
        #[expect(clippy::cast_precision_loss, reason = "an index")]
        let voxels = Array3::from_shape_fn((40, 150, 160), |(k, j, i)| {
            let there = grid.point([i as f64, j as f64, k as f64]).lps_mm;
            let away = (0..3).map(|axis| (there[axis] - planted[axis]).powi(2)).sum::<f64>().sqrt();
            if away < 6.0 { 300_i16 } else { -900 }
        });
        let volume = Arc::new(Volume::new(voxels, grid).expect("fits"));
        let ct = Some(CtInput { volume, lesion: Some(lesion) });
        let study = Study { ct, he: None, stain: None, metadata: Metadata::default() };
        let wanted = Wanted { methods: &[ExplainMethod::Occlusion], judged: true };
        let outcome = assess(study, &ready, wanted, &mut Timings::default(), &()).expect("assessed");
        let Outcome::Assessed(result) = outcome else { panic!("refused") };
        let explanation = &result.explanations[0];
        assert_eq!(explanation.judged.verdict, Verdict::Faithful, "{:?}", explanation.judged);
        let heat = explanation.heat.as_ref().expect("shown");
        let there = over_grid(&heat.maps[0], lesion, &ready.model.patch, &grid).expect("within the scan");
        let (mut sum, mut place) = (0.0, [0.0; 3]);
        let half = 0.5 * there.voxels().iter().fold(0.0_f32, |most, &value| most.max(value));
        for ((k, j, i), &value) in there.voxels().indexed_iter() {
            #[expect(clippy::cast_precision_loss, reason = "an index")]
            let point = there.grid().point([i as f64, j as f64, k as f64]).lps_mm;
            let weight = f64::from(u8::from(value >= half));
            sum += weight;
            (0..3).for_each(|axis| place[axis] += weight * point[axis]);
        }
        let place = place.map(|mm| mm / sum);
        for axis in 0..3 {
            // A covered square is 18 mm wide; near the patch's edge there are fewer of them on one side.
            assert!((place[axis] - planted[axis]).abs() < 6.0, "{place:?} for {planted:?}");
        }
    }
}

// verifies: REQ-RESULT-02
#[test]
fn the_same_question_has_the_same_answer_on_any_number_of_threads() {
    let ready = ready();
    let tiles = tiles(&ready, 3);
    let on = |threads: usize, method| -> Heat {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let explainer = Explainer::new(&ready, question(Seen::He(&tiles), 0)).expect("prepares");
            explainer.map(method, &()).expect("runs")
        })
    };
    for method in [ExplainMethod::SmoothGrad, ExplainMethod::GradCamPlusPlus, ExplainMethod::Saliency] {
        let (one, three) = (on(1, method), on(3, method));
        assert!(one == three, "{}", method.name());
        let wanted = if method == ExplainMethod::GradCamPlusPlus { 3 } else { 2 };
        assert_eq!((one.pictures.len(), one.maps.len()), (wanted, wanted));
    }
}

/// Adebayo et al. 2018: a map that does not change when the weights do says nothing about the network.
#[test]
fn another_network_has_other_maps() {
    let ready = ready();
    let (picture, output) = ct(&ready, 1);
    let explainer = Explainer::new(&ready, question(Seen::Ct(&picture, &output.features), 1)).expect("prepares");
    let untrained = TwinNetwork::of_model(&randomised(ready.bundle.file("ct.onnx").expect("listed"))).expect("loads");
    let cotangent = [0.0, 1.0, 0.0, 0.0, 0.0];
    let derivative_of =
        |twin: &TwinNetwork| twin.backward(twin.forward(&picture).expect("runs"), &cotangent).expect("runs");
    let derivative = derivative_of(&untrained);
    assert!(derivative.iter().any(|&value| value != 0.0), "the randomised network answers to its picture");
    let of = |derivative: &Array3<f32>| {
        derivative.map_axis(Axis(2), |channels| channels.fold(0.0_f32, |most, value| most.max(value.abs())))
    };
    let trained = explainer.map(ExplainMethod::Saliency, &()).expect("runs");
    let shown = |map: &Array2<f32>| shown_map(map, ExplainMethod::Saliency);
    let alike = correlation(&shown(&trained.maps[0]), &shown(&of(&derivative)));
    assert!(alike < 0.5, "correlation {alike}");
    let again = derivative_of(&TwinNetwork::load(&ready.bundle, Modality::Ct).expect("loads"));
    let same = correlation(&shown(&trained.maps[0]), &shown(&of(&again)));
    assert!(same > 0.999, "correlation {same}");
}

/// The network with the bytes of every weight shuffled: each layer keeps its distribution, and nothing of what it learned. The way
/// to them in a file: graph (7), initializer (5), raw_data (9).
fn randomised(model: &[u8]) -> Vec<u8> {
    let mut bytes = model.to_vec();
    shuffle(&mut bytes, &[7, 5, 9], &mut Random::new(7, "adebayo"));
    bytes
}

fn shuffle(message: &mut [u8], path: &[u64], random: &mut Random) {
    let [wanted, below @ ..] = path else { return };
    let mut at = 0;
    let varint = |message: &[u8], at: &mut usize| -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = message[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    };
    while at < message.len() {
        let tag = varint(message, &mut at);
        match tag & 7 {
            0 => drop(varint(message, &mut at)),
            1 => at += 8,
            5 => at += 4,
            _ => {
                let length = usize::try_from(varint(message, &mut at)).expect("small");
                let inner = &mut message[at..at + length];
                at += length;
                if tag >> 3 != *wanted {
                } else if !below.is_empty() {
                    shuffle(inner, below, random);
                } else if length >= 256 {
                    // Scales, biases and shapes are shorter, and stay.
                    (1..length).rev().for_each(|index| inner.swap(index, random.below(index + 1)));
                }
            }
        }
    }
}

/// Calls off after so many runs of a network.
struct Impatient {
    after: usize,
    runs: AtomicUsize,
}

impl Watch for Impatient {
    fn progress(&self, _: Part, done: usize, of: usize) -> ControlFlow<()> {
        assert!(done <= of, "{done} of {of}");
        if self.runs.fetch_add(1, Ordering::Relaxed) >= self.after {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[test]
fn every_method_can_be_called_off_half_way() {
    let ready = ready();
    let (picture, output) = ct(&ready, 0);
    let explainer = Explainer::new(&ready, question(Seen::Ct(&picture, &output.features), 0)).expect("prepares");
    for method in [ExplainMethod::IntegratedGradients, ExplainMethod::Occlusion, ExplainMethod::SmoothGrad] {
        let watch = Impatient { after: 5, runs: AtomicUsize::new(0) };
        let ended = explainer.map(method, &watch);
        assert!(matches!(ended, Err(AssessFault::CalledOff)), "{}", method.name());
        // Who was at work may finish what it had begun, and nobody begins anew.
        let begun = watch.runs.load(Ordering::Relaxed);
        assert!(begun <= 5 + 2 * rayon::current_num_threads() + 1, "{}: {begun} runs", method.name());
    }
    let heat = explainer.map(ExplainMethod::GradCam, &()).expect("runs");
    let watch = Impatient { after: 10, runs: AtomicUsize::new(0) };
    assert!(matches!(explainer.judge(ExplainMethod::GradCam, &heat, &watch), Err(AssessFault::CalledOff)));
}

// verifies: REQ-EXPLAIN-01
#[test]
fn nothing_is_shown_where_there_is_nothing() {
    let ready = ready();
    let (picture, output) = ct(&ready, 0);
    let explainer = Explainer::new(&ready, question(Seen::Ct(&picture, &output.features), 0)).expect("prepares");
    let heat = |map: Array2<f32>| Heat { pictures: vec![0], maps: vec![map], completeness_gap: None };
    let mut broken = Array2::from_elem((8, 8), 1.0);
    broken[[3, 3]] = f32::NAN;
    for (what, map) in [
        ("zeros", Array2::zeros((8, 8))),
        ("one value everywhere", Array2::from_elem((8, 8), 0.7)),
        ("a single cell", Array2::from_elem((1, 1), 2.0)),
        ("against the class", Array2::from_shape_fn((8, 8), |(row, _)| -1.0 - row as f32)),
        ("no number", broken),
    ] {
        let judged = explainer.judge(ExplainMethod::GradCam, &heat(map), &()).expect("runs");
        assert_eq!(judged.verdict, Verdict::Blank, "{what}");
        assert_eq!((judged.insertion_auc, judged.deletion_auc), (None, None), "{what}");
        assert!(judged.twin_gap.is_some_and(f64::is_finite), "{what}");
    }
}
