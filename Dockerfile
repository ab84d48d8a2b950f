# The command line in a container, as nobody in particular:
#
#   docker build -t aiclient .
#   docker run --rm aiclient demo
#   docker run --rm -i -e OPENAI_API_KEY aiclient ask "Capital of France?" -m openai:gpt-5.4-mini
#   docker run --rm -p 127.0.0.1:8080:8080 aiclient serve --host 0.0.0.0 --port 8080
FROM python:3.13-slim-trixie AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY aiclient ./aiclient
RUN python -m venv /opt/aiclient && /opt/aiclient/bin/pip install --no-cache-dir ".[fast,rich,yaml]"

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --create-home --home-dir /work aiclient
COPY --from=build /opt/aiclient /opt/aiclient
ENV PATH=/opt/aiclient/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["aiclient"]
CMD ["--help"]
