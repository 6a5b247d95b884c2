"""The compiled graph that many trials share: a used one is as good as a new one, to the last bit."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from bench.datasets.dataset import VOID
from bench.engine.training.graph import GraphKey, TrainingGraph
from bench.evaluation.counting import confusion_of
from search_spaces.initial_weights import layers_of

SIZE, EVALUATION_SIZE = 32, 48


def values(**changed: object) -> dict[str, object]:
    return {
        "architecture": "plain_unet",
        "image_size": SIZE,
        "optimizer": "adam",
        "loss": "bce_dice",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        **changed,
    }


def key(num_classes: int = 2, **changed: object) -> GraphKey:
    return GraphKey.of(values(**changed), num_classes=num_classes, evaluation_size=EVALUATION_SIZE, threshold=0.5)


def batch(num_classes: int = 2, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return images, rng.integers(0, num_classes, (count, SIZE, SIZE), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def _deterministic():
    tf.config.experimental.enable_op_determinism()


@pytest.fixture(scope="module")
def graph() -> TrainingGraph:
    return TrainingGraph(key())


def train(graph: TrainingGraph, steps: int = 3, **changed: object) -> list[float]:
    return train_from(graph, 5, steps, **changed)


def train_from(graph: TrainingGraph, seed: int, steps: int = 3, **changed: object) -> list[float]:
    graph.reset(values(**changed), seed=seed, pretrained=None)
    graph.set_statistics_momentum(0.99)
    return [float(graph.train_step(*batch())) for _ in range(steps)]


def test_a_used_graph_trains_like_a_new_one_to_the_last_bit(graph):
    train(graph, loss="focal", learning_rate=1e-2)
    used_losses, used_weights = train(graph), graph.weights()
    fresh = TrainingGraph(key())
    assert train(fresh) == used_losses
    assert all(np.array_equal(a, b) for a, b in zip(fresh.weights(), used_weights, strict=True))


def test_a_used_graph_with_batch_normalisation_and_weight_decay_trains_like_a_new_one():
    changed = {
        "architecture": "linknet",
        "backbone": "mobilenet",
        "image_size": 32,
        "optimizer": "sgd",
        "weight_decay": 0.01,
    }
    used, fresh = TrainingGraph(key(**changed)), TrainingGraph(key(**changed))
    train(used, **changed | {"weight_decay": 0.5, "learning_rate": 0.1})
    used.estimate_statistics([batch()[0]])
    assert train(used, **changed) == train(fresh, **changed)
    assert all(np.array_equal(a, b) for a, b in zip(used.weights(), fresh.weights(), strict=True))


@pytest.mark.parametrize("changed", [{"loss": "dice"}, {"learning_rate": 1e-2}])
def test_what_is_a_variable_does_have_an_effect(graph, changed):
    assert train(graph) != train(graph, **changed)


def test_weight_decay_shrinks_the_weights():
    decaying = TrainingGraph(key(weight_decay=0.1))

    def norm(weight_decay: float) -> float:
        train(decaying, weight_decay=weight_decay, learning_rate=1e-2)
        return float(sum(np.square(array).sum() for array in decaying.weights()))

    assert norm(1.0) < norm(1e-6)


def test_a_frozen_start_changes_no_pretrained_weight_and_all_others():
    network = {"architecture": "linknet", "backbone": "mobilenet", "frozen_start": 0.5}
    graph = TrainingGraph(key(**network))
    layers = [layer for layer in layers_of(graph.model) if layer.name.startswith("conv_") and layer.weights]
    encoder = {layer.name: layer.get_weights() for layer in layers}
    graph.reset(values(**network), seed=5, pretrained=encoder)

    def trained(frozen: bool) -> dict[str, bool]:
        """By trainable variable whether a step changed it."""
        graph.set_frozen(frozen)
        before = [np.array(variable) for variable in graph.model.trainable_variables]
        graph.train_step(*batch())
        return {
            variable.path: not np.array_equal(old, variable)
            for old, variable in zip(before, graph.model.trainable_variables, strict=True)
        }

    frozen, free = trained(True), trained(False)
    of_encoder = {path for path in frozen if path.split("/")[-2] in encoder}
    assert len(of_encoder) > 20
    assert not any(frozen[path] for path in of_encoder)
    assert all(frozen[path] for path in frozen.keys() - of_encoder)
    assert all(free.values())


def test_initial_weights_that_were_kept_are_those_that_are_drawn(graph):
    losses = {seed: train_from(graph, seed) for seed in (5, 6)}
    assert [train_from(graph, seed) for seed in (6, 6, 5, 5)] == [losses[seed] for seed in (6, 6, 5, 5)]
    assert losses[5] != losses[6]


def test_weights_that_were_taken_stay_as_they_were_while_training_goes_on(graph):
    train(graph)
    taken = graph.weights()
    before = [np.array(weight) for weight in taken]
    graph.train_step(*batch())
    assert not all(np.array_equal(a, b) for a, b in zip(graph.weights(), before, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(taken, before, strict=True))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_scores_count_valid_pixels_at_the_evaluation_size(num_classes):
    graph = TrainingGraph(key(num_classes))
    graph.reset(values(), seed=0, pretrained=None)
    images, masks = batch(num_classes)
    rng = np.random.default_rng(1)
    truth = rng.integers(0, num_classes, (4, EVALUATION_SIZE, EVALUATION_SIZE), dtype=np.uint8)
    valid = rng.integers(0, 2, truth.shape, dtype=np.uint8)
    _, predicted, confusion = graph.score(images, masks, truth, valid)
    probabilities = tf.image.resize(graph.predict(images), [EVALUATION_SIZE, EVALUATION_SIZE]).numpy()
    expected = probabilities[..., 0] >= 0.5 if num_classes == 2 else probabilities.argmax(-1)
    np.testing.assert_array_equal(predicted.numpy(), expected.astype(np.uint8))
    for index in range(4):
        by_hand = confusion_of(truth[index], predicted.numpy()[index], valid[index].astype(bool), num_classes)
        np.testing.assert_array_equal(confusion.numpy()[index], by_hand)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_score_in_full_is_the_same_score_and_the_probabilities_it_rests_on(num_classes):
    graph = TrainingGraph(key(num_classes))
    graph.reset(values(), seed=0, pretrained=None)
    images, masks = batch(num_classes)
    truth = np.random.default_rng(1).integers(0, num_classes, (4, EVALUATION_SIZE, EVALUATION_SIZE), dtype=np.uint8)
    *plain, probabilities = graph.score_in_full(images, masks, truth, np.ones_like(truth))
    for ours, theirs in zip(plain, graph.score(images, masks, truth, np.ones_like(truth)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    found = probabilities.numpy()
    np.testing.assert_array_equal(plain[1], found[..., 0] >= 0.5 if num_classes == 2 else found.argmax(-1))


def test_estimated_statistics_are_those_of_the_images():
    graph = TrainingGraph(key(architecture="linknet", backbone="mobilenet"))
    graph.reset(values(), seed=0, pretrained=None)
    images = batch(count=8)[0]
    graph.estimate_statistics([images])
    scored_with_batch_statistics = graph.model(images, training=True).numpy()
    np.testing.assert_allclose(graph.predict(images).numpy(), scored_with_batch_statistics, atol=0.02)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("changed", [{}, {"architecture": "linknet", "backbone": "mobilenet"}])
def test_mixed_precision_trains_much_like_single_with_variables_and_head_in_float32(precision, changed):
    mixed, single = TrainingGraph(replace(key(**changed), precision=precision)), TrainingGraph(key(**changed))
    losses = train(mixed, steps=4, **changed)
    assert losses == pytest.approx(train(single, steps=4, **changed), rel=0.1)  # half precision may skip its first step
    assert train(mixed, steps=4, **changed) == losses
    assert {variable.dtype for variable in mixed.model.trainable_variables} == {"float32"}
    computed = {layer.compute_dtype for layer in layers_of(mixed.model)}
    assert precision.removeprefix("mixed_") in computed
    assert mixed.model.outputs[0].dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def must_compile(graph: TrainingGraph) -> bool:
    return graph.train_step.get_concrete_function().function_def.attr["_XlaMustCompile"].b


def test_xla_compiles_a_training_step_where_it_is_asked_to():
    """Without compiling, which takes most of a minute; `tox -e gpu` trains so."""
    network = {"architecture": "linknet", "backbone": "mobilenet"}
    graphs = TrainingGraph(replace(key(**network), xla=True)), TrainingGraph(key(**network))
    assert [must_compile(graph) for graph in graphs] == [True, False]


def test_max_pooling_which_xla_cannot_repeat_exactly_is_left_to_tensorflow():
    assert not must_compile(TrainingGraph(replace(key(), xla=True)))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_void_adds_nothing_to_the_loss_whatever_is_predicted_there(num_classes):
    graph = TrainingGraph(key(num_classes))
    graph.reset(values(), seed=0, pretrained=None)
    masks = batch(num_classes)[1]
    masks[:, :8] = VOID
    rng = np.random.default_rng(1)
    channels = 1 if num_classes == 2 else num_classes
    predicted = rng.uniform(0.05, 0.95, (*masks.shape, channels)).astype(np.float32)
    other = predicted.copy()
    other[:, :8] = rng.uniform(0.05, 0.95, other[:, :8].shape)
    if num_classes > 2:
        predicted, other = (each / each.sum(-1, keepdims=True) for each in (predicted, other))
    losses = [float(graph._loss(tf.constant(masks), tf.constant(each))) for each in (predicted, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert np.isfinite(losses).all()
    variable = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        loss = graph._loss(tf.constant(masks), variable)
    gradient = tape.gradient(loss, variable).numpy()
    assert np.abs(gradient[:, :8]).max() == 0
    assert np.abs(gradient[:, 8:]).max() > 0
