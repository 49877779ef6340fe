"""What every column of the tables of deficits holds, with its unit."""

_SET = {"set": "Set of the subject: test (the study's result), validation or train"}
_SUBJECT = {"subject": "Subject label, without the prefix sub-", **_SET}
_ANY_RELATIVE = {
    "relative": "True: some of the images behind the row are known only relative (they came as "
    "counts)"
}
_OBSERVER = {
    "observer": "regions: −z of the mean in an AAL region; channels: channelised Hotelling "
    "observer at the centre of a deficit or at a healthy place, taught by training subjects"
}

LESIONS = {
    **_SUBJECT,
    "image": "SPECT, P2P or PET, compared with the same kind of image of normal people",
    "relative": "True: the image is known only relative (it came as counts); all are scaled to "
    "one whole-brain mean",
    "normals": "Number of people without deficits, of the training and validation sets and "
    "without the subject, that the image was compared with",
    "deficits": "True deficits: connected places of at least 1 mL that lost 5 % of their flow or "
    "more",
    "deficit_ml": "Volume of all places that lost 5 % of their flow or more, mL",
    "low_ml": "Volume where z is below −2, mL",
    "found": "True deficits of which at least 1 mL has z below −2",
    "false_deficits": "Connected places of at least 1 mL with z below −2, of which less than a "
    "tenth is a true deficit",
    "false_ml": "Volume where z is below −2 outside true deficits, mL",
    "dice": "Dice overlap of all places with z below −2 and the true deficits (1)",
    "true_loss": "Fraction of flow lost in deficits whose mirrored place is healthy (1)",
    "measured_loss": "The same as the image shows it: 1 − deficit / mirrored place, with the "
    "subject's true asymmetry without deficits divided out (1)",
    "recovery": "measured_loss / true_loss (1); 1: the deficit is as deep as in truth",
    "added": "Of SPECT and P2P: such places, of which less than a tenth is a true deficit or has "
    "z below −2 in PET",
    "invented": "Of P2P: such places, of which less than a tenth is a true deficit or has z below "
    "−2 in PET or in SPECT",
    "erased": "Of P2P: true deficits that SPECT and PET show and P2P does not",
}

SCORES = {
    **_SUBJECT,
    **_ANY_RELATIVE,
    **_OBSERVER,
    "place": "Region of the AAL atlas, or the deficit, its mirrored place or a healthy place",
    "positive": "True: there is a deficit (regions: in more than half of the region); False: "
    "there is none",
    **{
        image.lower(): f"Score of {image} (1), higher where a deficit seems to be"
        for image in ("SPECT", "P2P", "PET")
    },
}

DETECTION = {
    **_SET,
    **_OBSERVER,
    "image": "SPECT, P2P or PET",
    **_ANY_RELATIVE,
    "subjects": "Number of subjects",
    "positives": "Number of cases with a deficit",
    "negatives": "Number of cases without",
    "auc": "Area under the ROC curve (1)",
    "auc_low": "Lower end of its 95 % confidence interval (DeLong), which takes all cases as "
    "independent (1)",
    "auc_high": "Upper end of the same (1)",
    "bootstrap_low": "Lower end of its 95 % confidence interval by a bootstrap of subjects (1)",
    "bootstrap_high": "Upper end of the same (1)",
    "sensitivity": "Share of the cases with a deficit that are found where at most a tenth of "
    "those without is called one (1)",
    "detectability": "d′: difference of the mean scores over the root of the mean of the two "
    "variances (1)",
    "difference": "Area of the image − that of SPECT (1)",
    "difference_low": "Lower end of its 95 % confidence interval by the same bootstrap (1)",
    "difference_high": "Upper end of the same (1)",
    "p": "Two-sided p value of the difference (paired DeLong test), which takes all cases as "
    "independent (1)",
}
