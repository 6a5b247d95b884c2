"""The model that a run delivers: written, described, loaded again, used and exported.

    results/<run>/model/
        model.keras     one network: RGB images 0-255 [batch, S, S, 3] to float32 probabilities [batch, S, S, channels]
        model.json      what it is: classes, S, threshold, smallest object, members (`bench.delivery.description`)
        card.md         what it was made of, how good it is and where it ends; worst-*.png beside it
        predict.py      masks without this project: Keras, NumPy, OpenCV and Pillow

`bench.delivery.deliver.deliver` makes the folder in a process of its own and in one step. `load_model` (also
`bench.load_model`) opens it.
"""

FOLDER = "model"
"""Of a run, where its model is."""

NETWORK, DESCRIPTION, CARD, SCRIPT = "model.keras", "model.json", "card.md", "predict.py"
