"""Which SPECT and PET of a person belong together, and what is left to the user."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from spect2pet.subjects.candidates import Candidate

#: Days between SPECT and PET beyond which flow may have changed.
LONGEST_GAP = 90
NAMES = {"spect": "SPECT", "pet": "PET"}


@dataclass(frozen=True)
class Doubt:
    """Something to be looked at.

    Attributes:
        reason: what is doubtful, without anything that identifies the person.
        todo: what to do; ``{subject}``, ``{link}`` and ``{modality}`` stand for the person's
            label, the candidate's place in the dataset, and the column of the table.
        candidate: the scan in question, None where it is the person as a whole.
    """

    reason: str
    todo: str
    candidate: Candidate | None = None


@dataclass
class Choice:
    """What is proposed for one person.

    Attributes:
        spect: the SPECT that is chosen, None where none is.
        pet: the PET that is chosen, None where none is.
        taken: whether the person is in the table.
        doubts: what the user should look at.
    """

    spect: Candidate | None = None
    pet: Candidate | None = None
    taken: bool = False
    doubts: list[Doubt] = field(default_factory=list)


CHOOSE = (
    "to use it, put {link} into the column {modality} of the row of subject {subject} "
    "(add that row if there is none)"
)
ADD = "to use it all the same, add the row: {subject}, sub-{subject}/spect, sub-{subject}/pet"


def choose(
    candidates: Sequence[Candidate], needs_pet: bool = True, longest_gap: int = LONGEST_GAP
) -> Choice:
    """Choose the SPECT and the PET of one person.

    The pair of nearest dates is taken.  Where two pairs are equally near, or several series
    of one visit may be meant, nothing is.

    Args:
        candidates: all scans of the person.
        needs_pet: whether somebody without PET is of no use.
        longest_gap: days between SPECT and PET beyond which the pair is left out.

    Returns:
        The choice; whatever it leaves aside is in its doubts.
    """
    usable = [one for one in candidates if one.fault is None]
    choice = Choice(doubts=_unusable(candidates, usable))
    spects, pets = _visits(usable, "spect"), _visits(usable, "pet")
    if not spects or not pets:
        _choose_alone(choice, spects or pets, needs_pet)
    else:
        pairs = [(spect, pet) for spect in spects for pet in pets]
        pair = _nearest(pairs)
        if pair is None:
            choice.doubts += [
                Doubt(
                    f"one of {len(pairs)} pairings of SPECT and PET, "
                    "none of which is nearer in time by what is known",
                    CHOOSE,
                    one,
                )
                for one in usable
            ]
        else:
            _choose_pair(choice, pair, longest_gap)
            choice.doubts += [
                Doubt("left out, as another visit is nearer in time to the other scan", CHOOSE, one)
                for visit in (*spects, *pets)
                if visit not in pair
                for one in visit
            ]
    if any(one.person.startswith("study ") for one in candidates):
        choice.doubts.append(
            Doubt(
                "no Patient ID, so that scans of other studies cannot be matched",
                "see that these are the scans of one person, and add those that are missing",
            )
        )
    return choice


def _choose_alone(choice: Choice, visits: list[list[Candidate]], needs_pet: bool) -> None:
    """Choose for somebody of whom one modality is missing."""
    if not visits:
        return
    modality = visits[0][0].modality
    missing = "pet" if modality == "spect" else "spect"
    alone = None
    if len(visits) == 1:
        alone = _only(choice, visits[0])
    else:
        _leave_open(choice, [one for visit in visits for one in visit])
    setattr(choice, modality, alone)
    choice.taken = alone is not None and missing == "pet" and not needs_pet
    choice.doubts.append(
        Doubt(
            f"no {NAMES[missing]} was found",
            "proposed without PET; add it if there is one"
            if choice.taken
            else f"left out; add a row with its {NAMES[missing]} if there is one",
        )
    )


def _choose_pair(
    choice: Choice, pair: tuple[list[Candidate], list[Candidate]], longest_gap: int
) -> None:
    """Choose among the series of the two visits that belong together."""
    choice.spect, choice.pet = _only(choice, pair[0]), _only(choice, pair[1])
    choice.taken = choice.spect is not None and choice.pet is not None
    gap = _gap(*pair)
    if gap is None:
        choice.doubts.append(
            Doubt(
                "the date of SPECT or PET is missing",
                "see that they are not too far apart in time",
            )
        )
    elif gap > longest_gap:
        choice.taken = False
        choice.doubts.append(
            Doubt(f"SPECT and PET are {gap} days apart, more than {longest_gap}; left out", ADD)
        )
    names = {_plain_name(one.patient_name) for visit in pair for one in visit}
    if len(names) > 1:
        choice.doubts.append(
            Doubt(
                "one Patient ID, but different names",
                "see that they are scans of one person; delete the row if not",
            )
        )


def _unusable(candidates: Sequence[Candidate], usable: list[Candidate]) -> list[Doubt]:
    """Scans that cannot be used and that nothing of the same visit stands in for."""
    served = {(one.modality, _visit(one)) for one in usable}
    return [
        Doubt(str(one.fault), "reconstruct or export it as one volume and add it", one)
        for one in candidates
        if one.fault is not None and (one.modality, _visit(one)) not in served
    ]


def _visit(one: Candidate) -> str:
    """What scans of one visit have in common: the day where it is known."""
    return one.date.isoformat() if one.date else f"session {one.session}"


def _visits(usable: list[Candidate], modality: str) -> list[list[Candidate]]:
    """The scans of one modality, visit by visit."""
    visits: dict[str, list[Candidate]] = {}
    for one in usable:
        if one.modality == modality:
            visits.setdefault(_visit(one), []).append(one)
    return [visits[key] for key in sorted(visits)]


def _gap(spect: list[Candidate], pet: list[Candidate]) -> int | None:
    """Days between two visits, None where unknown."""
    first, second = spect[0], pet[0]
    if first.date and second.date:
        return abs((first.date - second.date).days)
    return 0 if first.session == second.session else None


def _nearest(
    pairs: list[tuple[list[Candidate], list[Candidate]]],
) -> tuple[list[Candidate], list[Candidate]] | None:
    """The one pair of visits that is nearest in time, None where that is not sure."""
    if len(pairs) == 1:
        return pairs[0]
    gaps = [_gap(*pair) for pair in pairs]
    known = [gap for gap in gaps if gap is not None]
    # A pair of unknown dates may be as near as any but one of the same day.
    if not known or gaps.count(min(known)) > 1 or (None in gaps and min(known) > 0):
        return None
    return pairs[gaps.index(min(known))]


def _only(choice: Choice, visit: list[Candidate]) -> Candidate | None:
    """The one series of a visit that is meant; the others become doubts."""
    if len(visit) == 1:
        return visit[0]
    chosen = _flow_map(visit) if visit[0].modality == "pet" else None
    if chosen is None:
        _leave_open(choice, visit)
        return None
    choice.doubts += [
        Doubt("not chosen, as another series of that visit is the CBF map", CHOOSE, one)
        for one in visit
        if one is not chosen
    ]
    return chosen


def _leave_open(choice: Choice, candidates: list[Candidate]) -> None:
    """Leave a choice between several scans to the user."""
    choice.doubts += [
        Doubt(f"one of {len(candidates)} {NAMES[one.modality]} series", CHOOSE, one)
        for one in candidates
    ]


def _flow_map(visit: list[Candidate]) -> Candidate | None:
    """The one series that unit or description tell to be the CBF map, None where not one is."""
    by_unit = [one for one in visit if one.has_flow_unit]
    by_name = [one for one in visit if "cbf" in one.description.lower()]
    # Maps of oxygen metabolism have the unit of flow too.
    agreed = (
        [one for one in by_unit if one in by_name] if by_unit and by_name else by_unit + by_name
    )
    return agreed[0] if len(agreed) == 1 else None


def _plain_name(name: str) -> str:
    """The letters of a name's first spelling (PS3.5 6.2.1.2), however they are separated."""
    return "".join(filter(str.isalnum, name.partition("=")[0])).lower()
