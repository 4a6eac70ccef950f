ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS builder
# The CPU build. For CUDA: --build-arg TORCH_INDEX= takes the default index, whose Linux build brings CUDA along.
ARG TORCH=torch==2.14.1
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/recap
ENV PATH=/opt/recap/bin:$PATH
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
# All is pinned as in constraints.txt but torch, which TORCH names, and what torch's own builds pin. The packages are
# empty yet, so that a change of the sources leaves this layer, by far the largest, as it is.
RUN grep --invert-match --extended-regexp '^(torch|triton|nvidia-|cuda-)' constraints.txt > /tmp/constraints.txt \
    && echo "${TORCH}" >> /tmp/constraints.txt \
    && mkdir app checkpoints model recap training \
    && pip install --constraint /tmp/constraints.txt --no-deps ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch \
    && pip install --constraint /tmp/constraints.txt '.[fast]'
COPY app app
COPY checkpoints checkpoints
COPY model model
COPY recap recap
COPY training training
RUN pip install --no-deps --force-reinstall . && pip check

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Recap" \
    org.opencontainers.image.description="The recurrent captioner: describes pictures and writes text over HTTP" \
    org.opencontainers.image.version="0.2.0" \
    org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 recap \
    && useradd --uid 10001 --gid recap --no-create-home --shell /usr/sbin/nologin recap
COPY --from=builder /opt/recap /opt/recap
# All of it is root's, the models too: the service writes none of it.
# The models are those of the package; /srv/checkpoints, where a folder is mounted there, goes before them.
WORKDIR /srv
ENV PATH=/opt/recap/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 RECAP_CACHE=/srv/cache
# For no particular CPU; what is particular is done in a moment at each start.
RUN recap compile
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["recap", "health"]
# One process: all its threads share one copy of the weights. Nothing but /tmp is written, for uploads.
ENTRYPOINT ["recap"]
CMD ["serve", "--host", "0.0.0.0"]
