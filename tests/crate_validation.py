"""The validator of RO-Crates, where it is installed, without a network."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

needs_validator = pytest.mark.skipif(
    find_spec("rocrate_validator") is None, reason="not installed: roc-validator"
)

#: The validator asks for this address, which is answered with the copy that the library rocrate
#: ships, of RO-Crate 1.3.
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
#: What these words mean in RO-Crate 1.1, where 1.3 has changed them.
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


#: The profile, which holds those that it extends: Process Run Crate, Workflow RO-Crate, RO-Crate.
PROFILE = "workflow-run-crate-0.5"


def issues(crate: Path, monkeypatch) -> set[str]:
    """What in a crate is against what the profile requires."""
    import requests
    import rocrate
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings

    context = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())
    context["@context"].update(OF_1_1)

    def send(adapter, request, **options):
        if request.url != CONTEXT:
            raise requests.ConnectionError(request.url)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.headers["Content-Type"] = "application/ld+json"
        answer._content = json.dumps(context).encode()
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    found = services.validate(
        ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier=PROFILE,
            requirement_severity=Severity.REQUIRED,
            abort_on_first=False,
            no_cache=True,
        )
    )
    return {f"{issue.check.identifier}: {issue.message}" for issue in found.get_issues()}
