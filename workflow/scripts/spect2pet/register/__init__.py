"""Register: SPECT to PET, PET to MNI space, the atlas to the subject."""
