import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from hilum_models import fusion, golden, mil
from hilum_models.branch import log_loss


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    made = mil.initial(40, rng.normal(size=(5, 40)), rng.normal(size=5), seed=3)
    return made | {"w_weight": rng.normal(size=(1, mil.HIDDEN)).astype(np.float32), "V_bias": rng.normal(size=mil.HIDDEN).astype(np.float32)}


@pytest.mark.parametrize("tiles", [1, 5, 32])
def test_attention_is_the_same_in_numpy_tensorflow_and_onnx(weights, tiles):
    bag = np.random.default_rng(tiles).normal(size=(tiles, 40)).astype(np.float32)
    logits, (attention,) = mil.evaluate(weights, [bag])
    session = onnxruntime.InferenceSession(mil.to_onnx(weights).SerializeToString())
    onnx_logits, onnx_attention = session.run(["logits", "attention"], {"embeddings": bag})
    assert onnx_logits == pytest.approx(logits, abs=1e-4) and onnx_attention == pytest.approx(attention, abs=1e-5)
    assert attention.sum() == pytest.approx(1)
    # Padding takes no part.
    padded = np.concatenate([bag, np.full((3, 40), 9, np.float32)])[None]
    mask = np.concatenate([np.ones(tiles), np.zeros(3)]).astype(np.float32)[None]
    tf_logits, tf_attention = mil.forward({name: tf.constant(value) for name, value in weights.items()}, tf.constant(padded), tf.constant(mask))
    assert tf_logits.numpy() == pytest.approx(logits, abs=1e-4) and tf_attention.numpy()[0, :tiles] == pytest.approx(attention, abs=1e-5)


def test_onnx_initialisers_have_the_agreed_names(weights):
    shapes = {tensor.name: list(tensor.dims) for tensor in mil.to_onnx(weights).graph.initializer}
    assert {name: shapes[name] for name in weights} == {
        "V_weight": [128, 40], "V_bias": [128], "U_weight": [128, 40], "U_bias": [128],
        "w_weight": [1, 128], "w_bias": [1], "head_weight": [5, 40], "head_bias": [5],
    }  # fmt: skip


def test_attention_finds_the_telling_tile():
    """One tile in eight carries the class; the mean hides it, attention must not."""
    rng = np.random.default_rng(4)

    def cases(count):
        labels = rng.integers(5, size=count)
        bags = [rng.normal(size=(8, 32)).astype(np.float32) for _ in labels]
        for bag, label in zip(bags, labels):
            bag[0, label] += 4
            bag[0, 10] += 4
        return bags, labels

    (bags, labels), (val_bags, val_labels) = cases(300), cases(60)
    start = mil.initial(32, np.zeros((5, 32)), np.zeros(5), seed=4)
    trained, epoch = mil.train(start, bags, labels, val_bags, val_labels, seed=4, epochs=40, dropout=0.1, rate=3e-3)
    logits, attention = mil.evaluate(trained, val_bags)
    assert epoch > 0 and (logits.argmax(1) == val_labels).mean() > 0.8
    assert np.mean([a[0] for a in attention]) > 0.5


def test_temperature_undoes_a_scale():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(4000, 5)) * 2
    truth = np.array([rng.choice(5, p=p) for p in np.exp(z) / np.exp(z).sum(1, keepdims=True)])
    assert fusion.fit_temperature(3 * z, truth) == pytest.approx(3, rel=0.06)


# verifies: REQ-RESULT-08
def test_a_faultless_validation_split_does_not_mean_certainty():
    truth = np.arange(30) % 5
    z = 4.0 * np.eye(5)[truth]
    temperature = fusion.fit_temperature(z, truth)
    confidence = 1 / (1 + 4 * np.exp(-4 / temperature))
    assert confidence == pytest.approx(1 - 0.8 / 32, abs=0.005)


def reliability_cohort(rng, count):
    """CT is right for the young, H&E for the old: logits as two calibrated readers would give them."""
    truth, age = rng.integers(5, size=count), rng.normal(size=count)
    reader = lambda good: 3 * np.eye(5)[np.where(good, truth, rng.integers(5, size=count))] + rng.normal(0, 0.5, (count, 5))
    metadata = np.stack([age, rng.choice([-1, 1], count), rng.normal(size=count)], 1).astype(np.float32)
    return metadata, reader(age < 0).astype(np.float32), reader(age >= 0).astype(np.float32), truth


def test_fusion_learns_when_there_is_something_to_learn():
    rng = np.random.default_rng(6)
    fit = fusion.train(*reliability_cohort(rng, 150), seed=6, repeats=2)
    metadata, ct, he, truth = reliability_cohort(rng, 400)
    weights = fusion.evaluate(fit.weights, metadata)
    assert weights[metadata[:, 0] < -0.5, 0].mean() > 0.65 > 0.35 > weights[metadata[:, 0] > 0.5, 0].mean()
    accuracy = lambda w: (fusion.fuse(w, ct, he).argmax(1) == truth).mean()
    assert accuracy(weights) > accuracy(weights[rng.permutation(400)]) + 0.05
    session = onnxruntime.InferenceSession(fusion.to_onnx(fit.weights).SerializeToString())
    assert session.run(["weights"], {"metadata": metadata[:1]})[0] == pytest.approx(weights[:1], abs=1e-5)


def test_fusion_stays_near_equal_when_there_is_nothing_to_learn():
    rng = np.random.default_rng(7)
    metadata, ct, he, truth = reliability_cohort(rng, 60)
    metadata = rng.permutation(metadata)
    fit = fusion.train(metadata, ct, he, truth, seed=7, repeats=2)
    assert np.abs(fusion.evaluate(fit.weights, metadata)[:, 0] - 0.5).mean() < 0.15
    assert fit.held_out_loss <= fit.held_out_loss_equal


def test_too_few_cases_mean_equal_weights():
    metadata, ct, he, truth = reliability_cohort(np.random.default_rng(8), 4)
    fit = fusion.train(metadata, ct, he, truth, seed=8)
    assert fit.steps == 0 and fusion.evaluate(fit.weights, metadata) == pytest.approx(np.full((4, 2), 0.5))
    assert np.isfinite(log_loss(ct, truth))


def test_ct_cam_has_a_closed_form():
    """With pooling and a dense layer, Grad-CAM's channel weight is W / (h·w)."""
    rng = np.random.default_rng(9)
    features, head = rng.uniform(0, 2, (1, 8, 8, 16)), rng.normal(size=(5, 17))
    made = golden.cam(features, 3, "grad-cam", golden.ct_logits_of(head))
    assert made == pytest.approx(np.maximum(features @ head[3, :-1] / 64, 0))
    g = head[3, :-1] / 64
    alpha = g**2 / (2 * g**2 + features.sum((1, 2)) * g**3)
    plus = golden.cam(features, 3, "grad-cam++", golden.ct_logits_of(head))
    assert plus[0] == pytest.approx(np.maximum(features[0] @ (64 * alpha * np.maximum(g, 0))[0], 0))


def test_he_cam_goes_through_attention(weights):
    """The analytic derivative of the logit: a_n W_c + a_n (W_c·(h_n − z)) ∂s/∂h_n, divided by the map's size."""
    rng = np.random.default_rng(10)
    features = rng.uniform(0, 2, (4, 3, 3, 40))
    h = features.mean((1, 2))
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    t, s = np.tanh(h @ w["V_weight"].T + w["V_bias"]), 1 / (1 + np.exp(-(h @ w["U_weight"].T + w["U_bias"])))
    score = (t * s) @ w["w_weight"][0]
    a = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
    score_slope = ((1 - t**2) * s * w["w_weight"][0]) @ w["V_weight"] + (t * s * (1 - s) * w["w_weight"][0]) @ w["U_weight"]
    row = w["head_weight"][2]
    slope = a[:, None] * row + (a * ((h - a @ h) @ row))[:, None] * score_slope
    expected = np.maximum(np.einsum("nijc,nc->nij", features, slope / 9), 0)
    assert golden.cam(features, 2, "grad-cam", golden.he_logits_of(weights)) == pytest.approx(expected)
