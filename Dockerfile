# The README's first command in a box.
#
#   docker build -t segbench .                                                    CPU
#   docker build -t segbench --build-arg EXTRA=gpu .                              NVIDIA GPUs: CUDA comes with TensorFlow's packages
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" segbench            the sample set; results/ and reports/ appear in $PWD
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" segbench run --data photos --budget 15m
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" segbench doctor
FROM python:3.11-slim

ARG EXTRA=cpu

WORKDIR /segbench
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bench bench
COPY search_spaces search_spaces
RUN python3 -m venv .venv && .venv/bin/pip install --no-cache-dir -c constraints.txt -e ".[$EXTRA]"

# Whoever the container runs as may write nowhere but in /work and /tmp.
ENV PATH=/segbench/.venv/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
ENTRYPOINT ["/segbench/.venv/bin/python", "-m", "bench"]
CMD ["run"]
