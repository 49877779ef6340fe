"""Every sentence that may meet a user stands in the documentation."""

import ast
from pathlib import Path

from spect2pet.core import provenance

#: Modules whose sentences a user meets before anything is computed, and when images go out.
SPEAKING = (
    "images",
    "preparation",
    "placement",
    "cards",
    "nifti",
    "files",
    "sums",
    "dicom*",
    "sheets",
    "subjects",
    "discovery",
    "candidates",
    "pairing",
    "bids_export",
    "folders",
    "payload",
)
#: What functions return that give a sentence or nothing.
COMPLAINT = "str | None"
DOCUMENTED = Path(__file__).parents[2] / "docs"


def sentences_of(module):
    """The sentences that a module may say, each as the pieces between what is filled in."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if getattr(node.exc.func, "id", "") == "InputError" and node.exc.args:
                yield from pieces(node.exc.args[0])
        elif isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or node) == COMPLAINT:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from pieces(inner.value)


def pieces(expression):
    """The fixed text of a string, split where something is filled in; nothing for other values."""
    if isinstance(expression, ast.IfExp):
        yield from pieces(expression.body)
        yield from pieces(expression.orelse)
    elif isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield [expression.value]
    elif isinstance(expression, ast.JoinedStr):
        yield [part.value for part in expression.values if isinstance(part, ast.Constant)]


def fault_of(sentence):
    """The longest fixed piece of what a sentence says is wrong, before the remedy."""
    said = []
    for piece in sentence:
        fault, stop, _ = piece.partition(";")
        said.append(fault.strip(" :,(`)"))
        if stop:
            break
    return max(said, key=len, default="")


def test_every_sentence_stands_in_the_documentation():
    pages = (path.read_text(encoding="utf-8") for path in sorted(DOCUMENTED.glob("*.md")))
    text = " ".join(" ".join(pages).split())
    library = provenance.LIBRARY
    modules = [path for name in SPEAKING for path in sorted(library.glob(f"*/{name}.py"))]
    faults = {fault_of(s) for module in modules for s in sentences_of(module)}
    assert len(faults) > 60
    missing = sorted(fault for fault in faults if len(fault) > 3 and fault not in text)
    assert not missing, "\n".join(missing)
