"""Implied: files of every subject that a study's last jobs read and other inputs of theirs imply.

A file that was made together with one that is an input, or from which that one was made, is there
and is not older. Naming all of them, 25 of each of 10,000 subjects, took a sixth of planning.
"""

import os

from snakemake.settings.types import SharedFSUsage

# Whether a job finds the files of others without being brought them.
SHARED_DISK = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
ENDS = (".nii.gz", ".json")


def implied(files):
    """Inputs of a job that others of its inputs imply, where jobs share no disk; else none.

    Args:
        files: a function that tells lists of results by name.
    """
    return {} if SHARED_DISK else files()


def implied_paths(files):
    """A params function: where these inputs lie, by name."""

    def paths(wildcards, input, output):
        if not SHARED_DISK:
            return {name: list(input[name]) for name in files()}
        # Beside the job's output in results/, which as a module may lie under a prefix.
        root = os.path.dirname(os.path.dirname(output[0]))
        return {name: [os.path.join(root, path) for path in some] for name, some in files().items()}

    return paths


def files_of_report():
    """What the report shows of subjects beside checks and P2P: images, pictures and sidecars."""
    return {
        "spect": of_everyone(registered("space-study_spect.nii.gz")),
        "spect_sidecars": of_everyone(registered("space-study_spect.json")),
        "pet": of_subjects(registered("space-study_pet.nii.gz")),
        "pet_sidecars": of_subjects(registered("space-study_pet.json")),
        "mask": of_subjects(registered("space-study_desc-brain_mask.nii.gz")),
        "overlays": of_subjects(registered("desc-check_overlay.png")),
        "prepared": [*of_everyone(prepared("spect.json")), *of_subjects(prepared("pet.json"))],
        "uncertainty": of_models(
            *of_everyone(synthetic("space-study_desc-uncertainty_spect.nii.gz")), models=ENSEMBLES
        ),
    }


def files_of_record():
    """Images that results are about, and what lies between raw images and results."""
    return {
        "images": [
            *of_everyone(registered("space-study_spect.nii.gz")),
            *of_subjects(registered("space-study_pet.nii.gz")),
            *of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.nii.gz"))),
            *of_models(
                *of_everyone(synthetic("space-study_desc-uncertainty_spect.nii.gz")),
                models=ENSEMBLES,
            ),
        ],
        "between": [
            *SIMULATED,
            *of_everyone(prepared("spect{end}"), end=ENDS),
            *of_subjects(prepared("pet{end}"), end=ENDS),
            *of_everyone(registered("space-study_spect.json")),
            *of_subjects(registered("space-study_pet.json")),
            *of_subjects(registered("space-study_desc-brain_mask{end}"), end=ENDS),
            *of_subjects(registered("space-study_desc-aal_dseg{end}"), end=ENDS),
            *of_subjects(registered("desc-check_registration.json")),
            *of_models(*of_everyone(synthetic("space-study_desc-p2p_spect.json"))),
        ],
    }
