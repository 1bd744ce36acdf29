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
    && useradd --uid 10001 --create-home --home-dir /var/lib/emotion emotion
# The home is the only folder that is written besides /tmp: models, runs, corpora, feedback.
ENV PATH=/opt/emotion/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EMOTION_OUTPUT=/var/lib/emotion/output


# What builds and does not ship: uv, a compiler for one package of TFX's that has no wheel.
FROM base AS build
ARG UV_VERSION=0.13.9
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
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
# tensorflow-cpu (the group cpu) takes the place of tensorflow, where there is one.
RUN if [ "$(uname -m)" = x86_64 ]; then echo --group=cpu --no-install-package=tensorflow; fi \
    > /etc/tensorflow-options


FROM build AS server-environment
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project --extra=serve $(cat /etc/tensorflow-options)

FROM build AS pipeline-environment
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project --extra=train $(cat /etc/tensorflow-options)

# The app asks the server over HTTP: everything that only TensorFlow needs is left out.
FROM build AS app-environment
RUN --mount=type=cache,target=/root/.cache/uv \
    uv export --frozen --no-dev --no-emit-project --extra=app --prune=tensorflow --quiet \
        --output-file=/tmp/requirements.txt \
    && uv venv /opt/emotion \
    && uv pip install --python=/opt/emotion --no-deps --require-hashes -r /tmp/requirements.txt


# The project itself comes last: a change of it leaves the layers above as they are.
FROM build AS wheel
COPY LICENSE README.md ./
COPY data/sample/emotions.csv data/sample/
COPY data/written/emotions.csv data/written/
COPY models models
COPY src src
RUN --mount=type=cache,target=/root/.cache/uv uv build --wheel --out-dir=/dist

FROM server-environment AS server-installed
COPY --from=wheel /dist /dist
RUN uv pip install --python=/opt/emotion --no-deps /dist/*.whl

FROM pipeline-environment AS pipeline-installed
COPY --from=wheel /dist /dist
RUN uv pip install --python=/opt/emotion --no-deps /dist/*.whl

FROM app-environment AS app-installed
COPY --from=wheel /dist /dist
RUN uv pip install --python=/opt/emotion --no-deps /dist/*.whl


FROM build AS test
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        chromium fonts-noto-color-emoji git make prometheus \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-install-project --all-extras $(cat /etc/tensorflow-options)
COPY --chown=emotion . .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python=/opt/emotion --no-deps --editable . && chown emotion /src
USER emotion
CMD ["python", "-m", "pytest"]


FROM base AS pipeline
COPY --from=pipeline-installed /opt/emotion /opt/emotion
USER emotion
WORKDIR /var/lib/emotion
ENTRYPOINT ["emotion"]
CMD ["train"]


FROM base AS app
COPY --from=app-installed /opt/emotion /opt/emotion
USER emotion
WORKDIR /var/lib/emotion
EXPOSE 8502
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8502/_stcore/health', timeout=4)"]
ENTRYPOINT ["emotion"]
CMD ["app", "--host", "0.0.0.0"]


FROM base AS server
COPY --from=server-installed /opt/emotion /opt/emotion
USER emotion
WORKDIR /var/lib/emotion
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/v2/health/ready', timeout=4)"]
ENTRYPOINT ["emotion"]
CMD ["serve", "--host", "0.0.0.0"]
