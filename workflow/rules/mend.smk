"""Mend: before a run is planned, what a killed command or a bad disk left behind."""

import contextlib
import io

from snakemake.cli import parse_args
from spect2pet.core import commands, dates, sums

# Commands that run nothing, by Snakemake's names for them.
LOOKING_ONLY = (
    *("dryrun", "touch", "unlock", "lint", "list_target_rules", "list_rules", "print_compilation"),
    *("dag", "rulegraph", "filegraph", "d3dag", "containerize", "generate_unit_tests"),
    *("cleanup_metadata", "conda_cleanup_envs", "conda_create_envs_only", "list_conda_envs"),
    *("cleanup_shadow", "container_cleanup_images", "list_changes", "list_input_changes"),
    *("list_params_changes", "list_untracked", "summary", "detailed_summary", "archive"),
    *("delete_all_output", "delete_temp_output"),
)
# Rules of a subject without PET.
WITHOUT_PET = ("prepare_spect", "place_spect", "infer_subject", "infer_ensemble")
# Where `results/` lies, which as a module may be under a prefix.
ROOT = Path(rules.build_report.output.page).parents[1]


def asked():
    """What the command line and its profile ask for; None where it is not Snakemake's, or that of
    a job."""
    if not workflow.is_main_process or Path(sys.argv[0]).name not in ("snakemake", "__main__.py"):
        return None
    with contextlib.redirect_stderr(io.StringIO()):  # it names the profile, as it did before
        return parse_args(sys.argv[1:])[1]


def of_study(path):
    """Whether a path is made by the study as it is configured now, without being asked for."""
    top, stage = Path(os.path.relpath(path, ROOT)).parts[:2]
    if top != "results" or stage == "readers" or (stage == "cohort" and config["subjects"]):
        return False
    return any(
        takes_part(rule.name, rule.get_wildcards(path))
        for rule in workflow.rules
        if rule.is_producer(path)
    )


def takes_part(rule, found):
    """Whether a rule's job with these wildcards is one of the study."""
    subject, model = found.get("subject"), found.get("model")
    if subject is not None and subject not in ROW_OF:
        return False
    if subject in ALONE and not rule.endswith(WITHOUT_PET):
        return False
    if model is not None and model not in (*MODELS, "ceiling"):
        return False
    if int(found.get("fold", 0)) not in FOLDS:
        return False
    return "seed" not in found or int(found["seed"]) in seeds_of(model)


def clear_the_way(elsewhere):
    """Put locks and dates right that a killed command left; False where another one runs here."""
    neighbours = commands.enter(".snakemake", elsewhere=elsewhere)
    if neighbours.running:
        return False
    if neighbours.killed and commands.remove_locks(".snakemake"):
        print("The last command here was killed; its lock is removed.", file=sys.stderr)
    if late := dates.bring_back(ROOT / "results"):
        print(
            f"WARNING: {late} files were dated in the future and are brought back",
            file=sys.stderr,
        )
    return True


def mended():
    """Outputs to be made again; moves those that are damaged out of the way, with a sentence."""
    command = asked()
    if command is None:
        return []
    runs = not any(getattr(command, name, None) for name in LOOKING_ONLY)
    if runs and command.report is not None and not command.report_after_run:
        runs = False
    if not runs and not command.dryrun:
        return []
    if runs and not clear_the_way(elsewhere=command.executor not in (None, "local")):
        return []
    found = sums.survey(ROOT, mend=runs)
    for sentence in found.said[:20]:
        print(f"WARNING: {sentence}", file=sys.stderr)
    if len(found.said) > 20:
        print(f"WARNING: and so are {len(found.said) - 20} more", file=sys.stderr)
    # Nobody asks for a missing file whose successors are there, so `all` does.
    return [local(path) for path in found.wanted if of_study(path)]


MENDED = mended()
