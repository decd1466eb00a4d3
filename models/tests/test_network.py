import numpy as np
import pytest

from hilum_models import lite0, pth


@pytest.fixture(scope="module")
def state():
    return pth.imagenet_weights()


def test_the_state_dict_is_whole(state):
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert state["_fc.weight"].shape == (1000, 1280)
    trainable = sum(value.size for name, value in state.items() if "running" not in name and "tracked" not in name)
    assert trainable == 4_652_008  # EfficientNet-Lite0


def test_other_pickles_are_refused(tmp_path):
    import pickle

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(print) * 4)
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        pth.read_state_dict(path)


def test_imagenet_logits_are_sane(state):
    """No photograph is at hand. A wrong transpose or a missing normalisation gives flat or huge logits, and no answer to a shape."""
    model = lite0.build(224, 1000)
    lite0.load_imagenet(model, state)
    yy, xx = np.mgrid[:224, :224] - 111.5
    ball = np.where(np.hypot(yy, xx) < 80, 0.9, -0.9)[..., None].repeat(3, -1).astype(np.float32)
    flat = np.zeros((224, 224, 3), np.float32)
    logits = np.asarray(model(np.stack([ball, ball[:, ::-1], flat])))
    assert np.isfinite(logits).all() and 5 < logits.max() < 25
    assert np.argmax(logits[0]) == np.argmax(logits[1]), "a mirrored disc is the same thing"
    assert np.corrcoef(logits[0], logits[1])[0, 1] > 0.95 > np.corrcoef(logits[0], logits[2])[0, 1]


@pytest.mark.parametrize(("final_stride", "side"), [(32, 4), (16, 8)])
def test_feature_map_sides(final_stride, side):
    model = lite0.build(128, 5, final_stride=final_stride)
    assert model.get_layer("head_relu6").output.shape[1:] == (side, side, 1280)


def test_measured_statistics_make_inference_equal_training(state):
    """On the very batch that was measured, and without dropout, both modes must agree; before, they do not."""
    model = lite0.build(64, 5, dropout=0.0)
    lite0.load_imagenet(model, state)
    model.get_layer("logits").set_weights([np.random.default_rng(0).normal(size=(1280, 5)), np.zeros(5)])
    images = np.random.default_rng(1).uniform(-1, -0.5, (8, 64, 64, 3)).astype(np.float32)
    gap = lambda: np.abs(np.asarray(model(images, training=False)) - np.asarray(trained)).max()
    trained = model(images, training=True)
    assert gap() > 1
    lite0.measure_statistics(model, [images])
    assert gap() < 0.01
    lite0.measure_statistics(model, [images, images])
    assert gap() < 0.01, "statistics are a mean over batches"


def test_frozen_layers_keep_their_statistics(state):
    model = lite0.build(64, 5)
    lite0.load_imagenet(model, state)
    frozen = model.get_layer("stem_bn")
    frozen.trainable = False
    before = np.asarray(frozen.moving_mean)
    lite0.measure_statistics(model, [np.zeros((4, 64, 64, 3), np.float32)])
    assert (np.asarray(frozen.moving_mean) == before).all()
