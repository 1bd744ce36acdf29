# One file, four images, all on Debian 13 with its Python 3.13 and TFX 1.21:
#   docker build --target server   .    the server alone, with the shipped model
#   docker build --target app      .    the web app, which needs no TensorFlow
#   docker build --target pipeline .    training: data in, served model out
#   docker build --target test     .    all of it, to run the tests
# docs/docker.md tells how to use them, also where there is no Docker engine.

ARG BASE=debian:trixie-20260918-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

FROM ${BASE} AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/emotion emotion \
    && install --directory --owner=emotion --group=emotion --mode=755 /var/lib/emotion
# The home is the only folder that is written besides /tmp: models, reports, corpora, feedback.
ENV PATH=/opt/emotion/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EMOTION_OUTPUT=/var/lib/emotion/output
LABEL org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.version=0.1.0


# What builds and does not ship: uv, and a compiler for what has no wheel among TFX's packages.
FROM base AS build
ARG UV_VERSION=0.13.9
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    UV_CACHE_DIR=/var/cache/uv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/emotion \
    UV_PYTHON=/usr/bin/python3 \
    UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}" \
    && ln -s /opt/uv/bin/uv /usr/local/bin/uv
WORKDIR /src
COPY pyproject.toml uv.lock ./
# tensorflow-cpu (the group cpu) takes the place of tensorflow, where there is one; what only those
# who build extensions of TensorFlow need is left out, and removed: libclang here, headers below.
RUN { echo --no-install-package=libclang; \
      [ "$(uname -m)" != x86_64 ] || echo --group=cpu --no-install-package=tensorflow; \
    } > /etc/sync-options


FROM build AS server-environment
RUN --mount=type=cache,target=/var/cache/uv \
    xargs --arg-file=/etc/sync-options uv sync --frozen --no-dev --no-install-project --extra=serve \
    && rm -r /opt/emotion/lib/python3.*/site-packages/tensorflow/include

FROM build AS pipeline-environment
RUN --mount=type=cache,target=/var/cache/uv \
    xargs --arg-file=/etc/sync-options uv sync --frozen --no-dev --no-install-project \
        --extra=train --extra=kubeflow \
    && rm -r /opt/emotion/lib/python3.*/site-packages/tensorflow/include

# The app asks the server over HTTP: everything that only TensorFlow needs is left out.
FROM build AS app-environment
RUN --mount=type=cache,target=/var/cache/uv \
    uv export --frozen --no-dev --no-emit-project --extra=app --prune=tensorflow --quiet \
        --output-file=/tmp/requirements.txt \
    && uv venv /opt/emotion \
    && uv pip install --python=/opt/emotion --no-deps --require-hashes -r /tmp/requirements.txt


# The project itself, to be laid over any of these environments: the same small layer in all images,
# and all that a change of the code changes.
FROM build AS project
COPY LICENSE README.md ./
COPY data/sample/emotions.csv data/sample/
COPY data/written/emotions.csv data/written/
COPY models models
COPY src src
RUN --mount=type=cache,target=/var/cache/uv \
    uv build --wheel --out-dir=/dist \
    && uv venv /opt/emotion \
    && uv pip install --python=/opt/emotion --prefix=/opt/project --no-deps /dist/*.whl


FROM build AS test
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        chromium fonts-noto-color-emoji git make nginx-light prometheus \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/var/cache/uv \
    xargs --arg-file=/etc/sync-options uv sync --frozen --no-install-project --all-extras
COPY --chown=10001:10001 . .
RUN --mount=type=cache,target=/var/cache/uv \
    uv pip install --python=/opt/emotion --no-deps --editable . && chown 10001:10001 /src
LABEL org.opencontainers.image.title="emotion-tfx test" \
    org.opencontainers.image.description="The tests of emotion-tfx, with all that they need"
USER 10001:10001
CMD ["python", "-m", "pytest"]


FROM base AS pipeline
COPY --from=pipeline-environment /opt/emotion /opt/emotion
COPY --from=project /opt/project /opt/emotion
LABEL org.opencontainers.image.title="emotion-tfx pipeline" \
    org.opencontainers.image.description="Trains, evaluates and pushes a classifier of emotions"
USER 10001:10001
WORKDIR /var/lib/emotion
ENTRYPOINT ["emotion"]
CMD ["train"]


FROM base AS app
COPY --from=app-environment /opt/emotion /opt/emotion
COPY --from=project /opt/project /opt/emotion
LABEL org.opencontainers.image.title="emotion-tfx app" \
    org.opencontainers.image.description="The web app, a client of the emotion-tfx server"
USER 10001:10001
WORKDIR /var/lib/emotion
EXPOSE 8502
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8502/_stcore/health', timeout=4)"]
ENTRYPOINT ["emotion"]
CMD ["app", "--host", "0.0.0.0"]


FROM base AS server
COPY --from=server-environment /opt/emotion /opt/emotion
COPY --from=project /opt/project /opt/emotion
LABEL org.opencontainers.image.title="emotion-tfx server" \
    org.opencontainers.image.description="Serves a classifier of emotions, as TensorFlow Serving does and to people"
USER 10001:10001
WORKDIR /var/lib/emotion
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/v2/health/ready', timeout=4)"]
ENTRYPOINT ["emotion"]
CMD ["serve", "--host", "0.0.0.0"]
