# Smoothscope's server: small, without root, with a check of its health. To build and run it alone:
#
#   docker build -t smoothscope .
#   docker run --rm -p 127.0.0.1:8501:8501 -v smoothscope:/data smoothscope
#
# On a machine without an NVIDIA GPU take the small CPU build of PyTorch, as with `make app`:
#   docker build -t smoothscope --build-arg PIP_ARGS="--extra-index-url ADDRESS" .
# where ADDRESS is the index of CPU wheels that PyTorch's installation page names. Settings are environment variables
# (README, "For several people"). compose.yaml puts a proxy before it.

FROM python:3.11-slim AS build
ARG PIP_ARGS=""
RUN python -m venv /opt/smoothscope
ENV PATH=/opt/smoothscope/bin:$PATH
WORKDIR /source
# Before the sources, so that a change of those does not fetch PyTorch again.
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check $PIP_ARGS -r requirements.txt
COPY . .
RUN pip install --no-cache-dir --disable-pip-version-check $PIP_ARGS --no-deps .

FROM python:3.11-slim
COPY --from=build /opt/smoothscope /opt/smoothscope
# The number is that with which hosting services run containers. In /cache numba, below UMAP, keeps what it compiles.
RUN useradd --uid 1000 --create-home smoothscope && mkdir /data /cache && chown smoothscope /data /cache
USER smoothscope
WORKDIR /data
# The last: else Streamlit asks a service on the internet by which address this machine is seen from there.
ENV PATH=/opt/smoothscope/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SMOOTHSCOPE_HOME=/data \
    NUMBA_CACHE_DIR=/cache \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=localhost
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-m", "smoothscope.health"]
ENTRYPOINT ["smoothscope"]
CMD ["app"]
