"""An archive (PACS) takes the exported series over the network and files it with its SPECT."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicom_exports import SPECT_OPTIONS, export, make_subject

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin") or shutil.which("Orthanc")
MISSING = [name for name in ("storescu", "findscu") if shutil.which(name) is None]
if ORTHANC is None:
    MISSING.append("Orthanc")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

START_SECONDS = 40


@dataclass(frozen=True)
class Archive:
    """A running Orthanc."""

    http: int
    dicom: int

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=10) as answer:
            return answer.read()

    def ask(self, path):
        return json.loads(self.get(path))

    def call(self, program, *arguments, cwd=None):
        command = [program, *arguments[:-1], "-aet", "TESTER", "-aec", "ARCHIVE"]
        target = ["127.0.0.1", str(self.dicom), *arguments[-1]]
        done = subprocess.run(
            [*command, *target], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def store(self, *files):
        self.call("storescu", list(map(str, files)))

    def find(self, folder, **keys):
        """What the archive answers to a C-FIND at the level of series."""
        asked = [f"{name}={value}" for name, value in keys.items()]
        flags = [part for key in ("QueryRetrieveLevel=SERIES", *asked) for part in ("-k", key)]
        self.call("findscu", "-S", "-X", *flags, [], cwd=folder)
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    running = Archive(free_port(), free_port())
    settings = {
        "Name": "Test",
        "DicomAet": "ARCHIVE",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": running.http,
        "DicomPort": running.dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "RegisteredUsers": {},
        "Plugins": [],
        "DicomModalities": {"tester": ["TESTER", "127.0.0.1", 104]},
        "DicomCheckModalityHost": True,
        "DicomAlwaysAllowStore": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as stream:
        process = subprocess.Popen(
            [ORTHANC, str(folder / "orthanc.json")], stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            wait_for(running, process, folder / "log")
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(running, process, log: Path):
    for _ in range(START_SECONDS * 5):
        assert process.poll() is None, log.read_text()
        try:
            assert running.ask("system")["DicomPort"] == running.dicom
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"Orthanc did not answer within {START_SECONDS} s: {log.read_text()}")


def test_p2p_is_filed_with_the_spect_it_was_made_from(archive, tmp_path):
    subject = make_subject(tmp_path)
    files = [export(subject, kind=kind) for kind in ("p2p", "uncertainty")]
    archive.store(subject.raw, *files)

    (patient,) = archive.ask("patients?expand")
    assert patient["MainDicomTags"]["PatientID"] == SPECT_OPTIONS["patient_id"]
    (study,) = archive.ask("studies?expand")
    assert len(study["Series"]) == 3
    series = {
        entry["MainDicomTags"]["SeriesDescription"]: entry
        for entry in archive.ask("series?expand")
        if entry["MainDicomTags"]["SeriesDescription"] != SPECT_OPTIONS["series_description"]
    }
    assert set(series) == {
        "P2P CBF (AI-generated, research only)",
        "P2P CBF uncertainty (AI-generated, research only)",
    }
    for path in files:
        sent = pydicom.dcmread(path)
        entry = series[sent.SeriesDescription]
        assert entry["MainDicomTags"]["Modality"] == "NM"
        (instance,) = entry["Instances"]
        frames = archive.ask(f"instances/{instance}/frames")
        assert len(frames) == sent.NumberOfFrames
        size = 2 * sent.Rows * sent.Columns
        for frame in (0, len(frames) - 1):
            kept = archive.get(f"instances/{instance}/frames/{frame}/raw")
            assert kept == sent.PixelData[frame * size : (frame + 1) * size]
        assert archive.get(f"instances/{instance}/file")[128:132] == b"DICM"
        copy = tmp_path / "copy.dcm"
        copy.write_bytes(archive.get(f"instances/{instance}/file"))
        assert pydicom.dcmread(copy).to_json_dict() == sent.to_json_dict()

    answers = archive.find(
        tmp_path,
        PatientID=SPECT_OPTIONS["patient_id"],
        StudyInstanceUID=pydicom.dcmread(subject.raw).StudyInstanceUID,
        SeriesInstanceUID="",
        SeriesDescription="P2P*",
        Modality="NM",
    )
    assert {str(answer.SeriesInstanceUID) for answer in answers} == {
        str(pydicom.dcmread(path).SeriesInstanceUID) for path in files
    }


def test_an_export_by_label_is_a_patient_of_its_own(archive, tmp_path):
    subject = make_subject(tmp_path)
    before = {patient["ID"] for patient in archive.ask("patients?expand")}
    archive.store(export(subject, identity="label"))
    (new,) = (p for p in archive.ask("patients?expand") if p["ID"] not in before)
    assert new["MainDicomTags"]["PatientID"] == subject.label
    assert len(new["Studies"]) == 1


def test_sending_an_equal_export_again_adds_nothing(archive, tmp_path):
    first, second = (make_subject(tmp_path / name) for name in ("a", "b"))
    archive.store(export(first))
    number = archive.ask("statistics")["CountInstances"]
    archive.store(export(second))
    assert archive.ask("statistics")["CountInstances"] == number
    assert np.array_equal(export(first).read_bytes(), export(second).read_bytes())
