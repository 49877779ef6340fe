"""The literature that the text of methods cites."""

REFERENCES = {
    "study": "Resolution and quality enhancement of SPECT cerebral blood flow images using "
    "Pix2pix deep learning. Ann Nucl Med 2025 (published online 13 November 2025).",
    "snakemake": "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with "
    "Snakemake. F1000Research 2021;10:33.",
    "mni": "Fonov V, Evans AC, Botteron K, et al. Unbiased average age-appropriate atlases for "
    "pediatric studies. NeuroImage 2011;54:313–327.",
    "iida": "Iida H, Itoh H, Bloomfield PM, et al. A method to quantitate cerebral blood flow "
    "using a rotating gamma camera and iodine-123 iodoamphetamine with one blood sampling. Eur J "
    "Nucl Med 1994;21:1072–1084.",
    "osem": "Hudson HM, Larkin RS. Accelerated image reconstruction using ordered subsets of "
    "projection data. IEEE Trans Med Imaging 1994;13:601–609.",
    "mattes": "Mattes D, Haynor DR, Vesselle H, Lewellen TK, Eubank W. PET-CT image registration "
    "in the chest using free-form deformations. IEEE Trans Med Imaging 2003;22:120–128.",
    "ants": "Avants BB, Tustison NJ, Song G, Cook PA, Klein A, Gee JC. A reproducible evaluation "
    "of ANTs similarity metric performance in brain image registration. NeuroImage "
    "2011;54:2033–2044.",
    "syn": "Avants BB, Epstein CL, Grossman M, Gee JC. Symmetric diffeomorphic image "
    "registration with cross-correlation. Med Image Anal 2008;12:26–41.",
    "aal": "Rolls ET, Joliot M, Tzourio-Mazoyer N. Implementation of a new parcellation of the "
    "orbitofrontal cortex in the automated anatomical labeling atlas. NeuroImage 2015;122:1–5.",
    "isola": "Isola P, Zhu J-Y, Zhou T, Efros AA. Image-to-image translation with conditional "
    "adversarial networks. Proc IEEE CVPR 2017:1125–1134.",
    "unet": "Ronneberger O, Fischer P, Brox T. U-Net: convolutional networks for biomedical "
    "image segmentation. MICCAI 2015, LNCS 9351:234–241.",
    "richardson": "Richardson WH. Bayesian-based iterative method of image restoration. J Opt "
    "Soc Am 1972;62:55–59.",
    "lucy": "Lucy LB. An iterative technique for the rectification of observed distributions. "
    "Astron J 1974;79:745–754.",
    "adam": "Kingma DP, Ba J. Adam: a method for stochastic optimization. ICLR 2015.",
    "ensembles": "Lakshminarayanan B, Pritzel A, Blundell C. Simple and scalable predictive "
    "uncertainty estimation using deep ensembles. NeurIPS 2017.",
    "ssim": "Wang Z, Bovik AC, Sheikh HR, Simoncelli EP. Image quality assessment: from error "
    "visibility to structural similarity. IEEE Trans Image Process 2004;13:600–612.",
    "msssim": "Wang Z, Simoncelli EP, Bovik AC. Multiscale structural similarity for image "
    "quality assessment. Proc 37th Asilomar Conf Signals Syst Comput 2003:1398–1402.",
    "hfen": "Ravishankar S, Bresler Y. MR image reconstruction from highly undersampled k-space "
    "data by dictionary learning. IEEE Trans Med Imaging 2011;30:1028–1041.",
    "fsc": "Rosenthal PB, Henderson R. Optimal determination of particle orientation, absolute "
    "hand, and contrast loss in single-particle electron cryomicroscopy. J Mol Biol "
    "2003;333:721–745.",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bull "
    "1945;1:80–83.",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat "
    "1979;6:65–70.",
    "bca": "Efron B. Better bootstrap confidence intervals. J Am Stat Assoc 1987;82:171–185.",
    "mixed": "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics "
    "1982;38:963–974.",
    "lin": "Lin LI. A concordance correlation coefficient to evaluate reproducibility. "
    "Biometrics 1989;45:255–268.",
    "icc": "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. "
    "Psychol Bull 1979;86:420–428.",
    "passing": "Passing H, Bablok W. A new biometrical procedure for testing the equality of "
    "measurements from two different analytical methods. J Clin Chem Clin Biochem "
    "1983;21:709–720.",
    "bland": "Bland JM, Altman DG. Agreement between methods of measurement with multiple "
    "observations per individual. J Biopharm Stat 2007;17:571–582.",
    "minoshima": "Minoshima S, Frey KA, Koeppe RA, Foster NL, Kuhl DE. A diagnostic approach in "
    "Alzheimer's disease using three-dimensional stereotactic surface projections of "
    "fluorine-18-FDG PET. J Nucl Med 1995;36:1238–1248.",
    "crawford": "Crawford JR, Howell DC. Comparing an individual's test score against norms "
    "derived from small samples. Clin Neuropsychol 1998;12:482–486.",
    "abbey": "Abbey CK, Barrett HH. Human- and model-observer performance in ramp-spectrum "
    "noise: effects of regularization and object variability. J Opt Soc Am A 2001;18:473–488.",
    "delong": "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more "
    "correlated receiver operating characteristic curves: a nonparametric approach. Biometrics "
    "1988;44:837–845.",
    "spearman": "Spearman C. The proof and measurement of association between two things. Am J "
    "Psychol 1904;15:72–101.",
    "claim": "Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in "
    "Medical Imaging (CLAIM): 2024 update. Radiol Artif Intell 2024;6:e240300.",
    "relaince": "Jha AK, Bradshaw TJ, Buvat I, et al. Nuclear medicine and artificial "
    "intelligence: best practices for evaluation (the RELAINCE guidelines). J Nucl Med "
    "2022;63:1288–1299.",
}
