"""Event files for TensorBoard: scalars by epoch, and its HParams tab. Written record by record, without TensorFlow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.exchange.records.entries import Entry, entries
from bench.exchange.records.output_paths import require_empty_folder, safe_name
from bench.formats import plural
from bench.records import FAILED, Run
from bench.records.durable import store_errors

_OF_EPOCH = ("train_loss", "val_loss", "val_iou", "val_recall", "val_precision", "val_predicted_share")


def write_tensorboard(run: Run, output: Path) -> str:
    """A folder GROUP/TRIAL with one event file for each entry; wall times are those of the training.

    Raises StoreError if `output` is no empty folder.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    require_empty_folder(output)
    count = 0
    with store_errors(output):
        for number, entry in enumerate(entries(run)):
            folder = output / safe_name(entry.group) / safe_name(entry.name)
            folder.mkdir(parents=True, exist_ok=True)
            started = int(entry.started_at.timestamp())
            with (folder / f"events.out.tfevents.{started}.segbench.{number}").open("wb") as file:
                writer = RecordWriter(file)
                for event in _events(entry):
                    writer.write(event.SerializeToString())
                writer.flush()
            count += 1
    return f"{plural(count, 'training')}; open with: tensorboard --logdir {output}"


def _events(entry: Entry) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    started, ended = entry.started_at.timestamp(), entry.ended_at.timestamp()
    yield Event(wall_time=started, file_version="brain.Event:2")
    start = hparams_pb(dict(entry.hyperparameters), trial_id=f"{entry.group}/{entry.name}", start_time_secs=started)
    yield Event(wall_time=started, step=0, summary=start)
    for epoch in entry.curve:
        known = {name: getattr(epoch, name) for name in _OF_EPOCH}
        values = [Summary.Value(tag=f"epoch/{name}", simple_value=v) for name, v in known.items() if v is not None]
        yield Event(wall_time=started + epoch.elapsed_s, step=epoch.epoch, summary=Summary(value=values))
    last = entry.curve[-1].epoch if entry.curve else 1
    final = dict(entry.metrics) if entry.score is None else {**entry.metrics, "iou": entry.score}
    values = [Summary.Value(tag=f"final/{name}", simple_value=value) for name, value in final.items()]
    yield Event(wall_time=ended, step=last, summary=Summary(value=values))
    yield Event(wall_time=ended, step=last, summary=_session_end(entry, ended))


def _session_end(entry: Entry, ended: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_FAILURE if entry.status == FAILED else api_pb2.STATUS_SUCCESS
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=ended)
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])
