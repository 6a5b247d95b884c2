"""Which worker computes where, on a machine as it is and on made-up ones."""

import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.engine import devices
from bench.engine.devices import XLA_PAYS_STEPS, Placement, placements, resolved_precision, uses_xla, visible_gpus
from bench.engine.executor import LocalExecutor
from bench.errors import ExperimentError
from tests.engine.tiny import make_setup

GIB = 2**30


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A driver that lists two GPUs of 16 GiB."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, GPU-aaaa, 16384'\necho '1, GPU-bbbb, 16384'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("said", ["No devices were found", "0, GPU-aaaa", "a, b, c, d", ",,,", ""])
def test_what_a_driver_in_trouble_says_is_no_gpu(said, two_gpus, tmp_path):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{said}'\n")
    assert visible_gpus() == []


def test_without_a_gpu_one_worker_has_the_whole_cpu(no_gpu):
    assert visible_gpus() == []
    assert placements() == (Placement(),)


def test_workers_divide_the_cores(no_gpu, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert placements(4) == (Placement(threads=2),) * 4
    with pytest.raises(ExperimentError, match="9 workers on 8 CPU cores; choose 1 to 8"):
        placements(9)


def test_each_gpu_gets_a_worker_with_all_of_its_memory(two_gpus):
    assert placements() == (Placement(gpu="0"), Placement(gpu="1"))
    assert placements(1) == (Placement(gpu="0"),)


def test_more_workers_than_gpus_share_their_memory_evenly(two_gpus):
    share = int(0.9 * 16 * GIB / 2)
    assert placements(4) == tuple(Placement(gpu=name, memory_bytes=share) for name in ("0", "1", "0", "1"))
    with pytest.raises(ExperimentError, match="3 workers cannot share 2 GPUs evenly; choose a multiple of 2"):
        placements(3)


def test_a_gpu_that_does_not_tell_its_memory_is_not_divided_by_it(two_gpus, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU-aaaa, [N/A]'\n")
    assert placements(2) == (Placement(gpu="0"), Placement(gpu="0"))


@pytest.mark.parametrize(
    ("visible", "expected"), [("1", ["1"]), ("GPU-bbbb,0", ["1", "0"]), ("0,7,1", ["0"]), ("-1", []), ("", [])]
)
def test_only_gpus_that_this_process_may_use_are_planned_with(two_gpus, visible, expected):
    assert [name for name, _ in visible_gpus({"CUDA_VISIBLE_DEVICES": visible})] == expected


def test_a_worker_uses_the_threads_that_it_was_given_and_the_fast_kernels():
    script = (
        "from bench.engine.devices import Placement, prepare\n"
        "prepare(Placement(gpu='', threads=3))\n"
        "import os, tensorflow as tf\n"
        "print(tf.config.threading.get_intra_op_parallelism_threads(), repr(os.environ['CUDA_VISIBLE_DEVICES']))\n"
        "from tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["3", "''", "True"]


def test_precision_is_single_without_tensor_cores_unless_asked_for(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert resolved_precision("auto") == "float32"
    assert resolved_precision("mixed_bfloat16") == "mixed_bfloat16"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"])
    for capability, expected in (((8, 0), "mixed_float16"), ((6, 1), "float32")):
        details = {"compute_capability": capability}
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu, details=details: details)
        assert resolved_precision("auto") == expected


def test_xla_compiles_where_it_pays_or_is_asked_for(monkeypatch):
    assert not uses_xla("auto", XLA_PAYS_STEPS)
    assert uses_xla("on", 1)
    monkeypatch.setattr(devices, "accelerator", lambda: "/device:GPU:0")
    assert uses_xla("auto", XLA_PAYS_STEPS)
    assert not uses_xla("auto", XLA_PAYS_STEPS - 1)
    assert not uses_xla("off", XLA_PAYS_STEPS)


def test_batches_are_copied_to_the_device_that_computes():
    """Two logical CPU devices stand in for a CPU and a GPU."""
    script = (
        "import numpy as np, tensorflow as tf\n"
        "from bench.engine.devices import copied_to\n"
        "(cpu,) = tf.config.list_physical_devices('CPU')\n"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "batch = np.arange(3, dtype=np.uint8), np.ones(2, np.uint8)\n"
        "assert copied_to(None)(batch) is batch\n"
        "images, masks = copied_to('CPU:1')(batch)\n"
        "print(images.device[-5:], images.numpy().tolist(), images.dtype.name, masks.device[-5:])\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "CPU:1 [0, 1, 2] uint8 CPU:1"


def test_a_gpu_that_tensorflow_does_not_see_is_not_replaced_by_the_cpu_in_silence(tmp_path):
    setup = replace(make_setup(tmp_path), precision="mixed_bfloat16")
    with LocalExecutor(setup, tmp_path, [Placement(gpu="7")]) as executor:
        with pytest.raises(ExperimentError, match=r"does not see GPU 7, .*segbench\[gpu\].*CUDA_VISIBLE_DEVICES"):
            executor.device()
        assert executor._workers[0].device().endswith(", mixed_bfloat16")
