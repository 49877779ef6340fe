"""Common: the configuration, the subjects table and the models, and what every rule carries."""

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

# Not of `workflow.basedir`, where the Snakefile lies that may import this one as a module.
HOME = Path(workflow.current_basedir).parent
SCRIPTS = HOME / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"{HOME}: spect2pet as a module must lie in a folder of this machine; clone the repository "
        "and give the path of its Snakefile"
    )
sys.path.insert(0, str(SCRIPTS))

from spect2pet.core import provenance, runtime  # noqa: E402
from spect2pet.infer import cards  # noqa: E402
from spect2pet.subjects import splitting, subjects  # noqa: E402
from spect2pet.train import presets  # noqa: E402
from spect2pet.core.errors import InputError  # noqa: E402

config["models"] = presets.fill(config.get("models", {presets.DEFAULT_MODEL: {}}))
validate(config, "../schemas/config.schema.yaml")

# A model that was trained elsewhere: nothing is trained, and every subject with PET is a test subject.
CARD, GIVEN = None, []

try:
    SUBJECTS = subjects.load(config)
    if config["model"] is not None:
        CARD, GIVEN = cards.read_card(config["model"]), [cards.name_of(config["model"])]
        config["study_grid"] = CARD["study_grid"]
        config["split"]["folds"] = 1
        SUBJECTS["split"] = "test"
    # Subjects with PET, and those without, whom only a given model can serve.
    has_pet = SUBJECTS["pet"].notna() | SUBJECTS["pet_problem"].notna()
    PAIRED, ALONE = list(SUBJECTS.index[has_pet]), list(SUBJECTS.index[~has_pet])
    NEEDED_SETS = [] if GIVEN else list(splitting.SETS)
    SPLIT = splitting.split_rows(SUBJECTS.loc[PAIRED], config["split"], NEEDED_SETS)
    SPLIT = SPLIT.set_index("subject")
except InputError as error:
    raise WorkflowError(str(error)) from None
# What the table says of each subject; every job asks, and a dictionary answers at once.
ROW_OF = SUBJECTS.to_dict("index")
FOLD_OF = SPLIT["fold"].to_dict()

# Models that the config does not set to null, or the one that is given.
MODELS = {name: settings for name, settings in config["models"].items() if settings is not None}
if GIVEN:
    MODELS = {GIVEN[0]: {"method": CARD["method"], "members": CARD["networks"]}}
# Models whose P2P is the mean of several networks, and those with something to learn.
ENSEMBLES = [name for name, settings in MODELS.items() if settings["members"] > 1]
TRAINED = [n for n in MODELS if MODELS[n]["method"] not in presets.UNTRAINED and not GIVEN]
# Models whose images are exported as DICOM, which calls them AI-generated.
EXPORTED = [*TRAINED, *GIVEN]
# Models that can be evaluated: none where nobody has a PET.
EVALUATED = list(MODELS) if PAIRED else []


wildcard_constraints:
    subject="[A-Za-z0-9]+",
    model="[a-z0-9]+([-_][a-z0-9]+)*",
    fold="[0-9]+",
    seed="[0-9]+",


def one_of(models):
    """A wildcard constraint: one of some models; matches nothing where there are none."""
    return "|".join(models) or "(?!)"


# --- What every rule carries ------------------------------------------------


@cache
def code_of(rule):
    """Fingerprint of the library modules that a rule's script reaches.

    Snakemake reruns a rule when its script changes, not when a module that the
    script imports does; this value in `params` closes that gap.
    """
    return provenance.code_fingerprint(SCRIPTS / f"{rule}.py")


def growing(least):
    """A resource of which every further attempt of a job asks for as much again."""
    return lambda wildcards, attempt: least * attempt


def mem_of_study(least):
    """MB of a job that holds a table of all subjects; benchmarks/scale.txt has what they take."""
    return least + len(SUBJECTS) // 10


def log_of(rule, *wildcards):
    """Log file of a rule: logs/<rule>/<wildcards joined by _>.log."""
    job = "_".join(f"{{{name}}}" for name in wildcards) or "study"
    return f"logs/{rule}/{job}.log"
