FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /app/venv
COPY requirements.lock ./
RUN /app/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY core ./core
COPY app ./app
RUN /app/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
COPY deploy/strip.sh ./
RUN sh strip.sh /app/venv
COPY models /app/models
COPY deploy/healthcheck.py /app/

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent neurona \
    && mkdir --mode 750 /data && chown 10001:10001 /data
COPY --from=build /app /app
ENV PATH=/app/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    NEURONA_HOST=0.0.0.0 \
    NEURONA_DATA=/data \
    NEURONA_MODELS=/data/models \
    NEURONA_MODELS_SEED=/app/models \
    TMPDIR=/data
# TMPDIR: uploads are spooled to a disk that is writable for sure, and not to memory
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python", "/app/healthcheck.py"]
CMD ["neurona", "serve"]
