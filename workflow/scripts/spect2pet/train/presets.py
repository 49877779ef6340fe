"""What the name of a method stands for: the settings that a model has unless its entry says more.

The settings of the published pix2pix are the defaults of the configuration's schema, so each
preset holds only what differs from them.  Nothing here needs torch, because the workflow asks for
it each time it is read.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

#: Settings that differ from the published pix2pix (Isola et al., CVPR 2017), by method.
PRESETS: dict[str, dict[str, Any]] = {
    # SPECT as it is: what every other method has to beat.
    "spect": {"gan_weight": 0, "epochs": 1, "decay_epochs": 0},
    # Deconvolution with the SPECT point spread; an epoch is one iteration, the best one counts.
    "richardson_lucy": {"gan_weight": 0, "epochs": 8, "decay_epochs": 0, "choose": "best"},
    # The same generator without an opponent.
    "unet": {"gan_weight": 0},
    "pix2pix": {},
    # What the ablation of docs/training.md led to.
    "p2p": {
        "depth": 4,
        "width": 16,
        "context": 9,
        "norm": "none",
        "output": "linear",
        "residual": True,
        "scaling": "subject",
        "gan_weight": 0,
        "ssim_weight": 40,
        "batch_size": 4,
        "learning_rate": 0.002,
        "epochs": 6,
        "decay_epochs": 6,
        "ema": 0.99,
        "augmentation": {"rotation": 15, "shift": 5, "scale": 0.08, "intensity": 0.2},
        "members": 2,
        "sample_every": 4,
    },
}
#: Methods with nothing to learn by gradient descent.
UNTRAINED = ("spect", "richardson_lucy")
#: The model of a configuration that names none.
DEFAULT_MODEL = "p2p"
#: The method of a model whose name is not a method's and that does not say.
DEFAULT_METHOD = "pix2pix"


def fill(models: Any) -> Any:
    """Complete the models of a configuration by what their methods stand for.

    Args:
        models: the ``models`` section as the user wrote it.  A model's method is its ``method``,
            else its own name where that is a method's, else ``DEFAULT_METHOD``.

    Returns:
        The section with the presets below the user's own settings.  What has not the form of a
        section is left as it is, for the schema to refuse by name.
    """
    if not isinstance(models, Mapping):
        return models
    filled = {}
    for name, settings in models.items():
        if not isinstance(settings, Mapping):
            filled[name] = settings
            continue
        method = settings.get("method", name if name in PRESETS else DEFAULT_METHOD)
        filled[name] = _over(PRESETS.get(str(method), {}), {"method": method, **settings})
    return filled


def _over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` in place of what both have, section by section."""
    # The sections too are copies: the schema completes what it is given in place.
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        below = base.get(key)
        section = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _over(dict(below or {}), value) if section else value
    return merged
