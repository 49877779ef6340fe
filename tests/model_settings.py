"""Settings of a model for tests: what a configuration with one model comes to."""

from copy import deepcopy
from typing import Any

from snakemake.utils import validate

from cohort_settings import SCHEMA
from spect2pet.train import presets


def model_settings(**entry: Any) -> dict[str, Any]:
    """The full settings of a model, checked and completed as the workflow does it.

    Args:
        entry: what a user writes about the model; its method is pix2pix where it does not say.
    """
    # A copy, as the schema completes what it is given in place.
    config = {"models": presets.fill({"m": deepcopy(entry)})}
    validate(config, str(SCHEMA))
    return config["models"]["m"]


#: A network small enough to be trained in a test.
TINY = {
    "depth": 2,
    "width": 4,
    "discriminator_width": 2,
    "output": "linear",
    "batch_size": 2,
    "epochs": 2,
    "decay_epochs": 1,
    "learning_rate": 0.002,
    "device": "cpu",
    "sample_every": 100,
}
