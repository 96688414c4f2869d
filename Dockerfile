# syntax=docker/dockerfile:1
# Citebox: the service and both command lines, with the built-in models inside. Nothing is downloaded at run time.

FROM python:3.11.14-slim-bookworm AS build

# The CPU build of PyTorch. The default index offers Linux only the CUDA build, which is several GB larger.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

RUN python -m venv /opt/citebox
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY rag rag
COPY ingest ingest
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/citebox/bin/pip install --constraint constraints.txt '.[eval]'
# Every file of a model is checked against the sha256 in rag/models/catalogue.toml.
RUN RAG_MODELS_DIR=/models /opt/citebox/bin/rag models fetch


FROM python:3.11.14-slim-bookworm

RUN useradd --system --uid 10001 --user-group --home-dir /home/citebox --create-home citebox \
    && install --directory --owner=citebox --group=citebox --mode=0700 /data

COPY --from=build /opt/citebox /opt/citebox
COPY --from=build /models /models

# HF_HOME: where models of a hub are kept, for those who name one in the settings.
# ORT_DISABLE_TELEMETRY: onnxruntime would otherwise report its use to its maker.
ENV PATH=/opt/citebox/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/data/huggingface \
    ORT_DISABLE_TELEMETRY=1 \
    RAG_DATA_DIR=/data \
    RAG_MODELS_DIR=/models \
    RAG_HOST=0.0.0.0 \
    RAG_PORT=8000

USER 10001:10001
# Not /data: a citebox.toml in the working directory is read as settings.
WORKDIR /home/citebox
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['RAG_PORT'] + '/healthz', timeout=4)"]

CMD ["rag", "serve"]
