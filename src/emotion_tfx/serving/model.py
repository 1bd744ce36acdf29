"""One version of a SavedModel, loaded and ready to run.

The graph runs in a session, as in TensorFlow Serving itself, and not through
``tf.saved_model.load``: a call costs a twentieth, an error carries the operation's own words
instead of a Python trace, and closing the session gives the memory back. The steps of loading are
those of TensorFlow's ``cc/saved_model/loader.cc``.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .json_tensor import TensorSpec
from .status import Code, ServingError, invalid_argument

logger = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"
SAVED_MODEL_FILE = "saved_model.pb"

_INIT_SIGNATURE = "__saved_model_init_op"
_WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MAX_WARMUP_RECORDS = 1000

#: Runs a part of the graph: one array per feed in, one per fetch out.
_Runner = Callable[..., list[Any]]


@dataclass(frozen=True)
class Signature:
    """What can be asked of a model under one name.

    Attributes:
        name: The signature's name.
        inputs: Inputs by name; empty where the signature cannot be called by a client.
        outputs: Outputs by name.
        method_name: The call it is made for, such as ``tensorflow/serving/predict``.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = "tensorflow/serving/predict"


class LoadedModel:
    """A loaded version; :meth:`run` may be called from several threads at once.

    Use :func:`load_model` to make one.

    Attributes:
        version: The number of the version.
        definitions: Every signature by name, as the SavedModel has it (``SignatureDef``).
        metadata: The same in the JSON form of TensorFlow Serving's metadata.
        signatures: Every signature by name.
    """

    def __init__(
        self,
        version: int,
        definitions: Mapping[str, Any],
        signatures: Mapping[str, Signature],
        runners: Mapping[str, _Runner],
        close: Callable[[], None],
    ) -> None:
        self.version = version
        self.definitions = definitions
        self.metadata = {name: _proto_json(message) for name, message in definitions.items()}
        self.signatures = signatures
        self._runners = runners
        self._close = close

    def signature(self, name: str) -> Signature:
        """The signature of this name; an empty name means the default one.

        Raises:
            ServingError: INVALID_ARGUMENT, there is none or it takes no inputs.
        """
        signature = self.signatures.get(name or DEFAULT_SIGNATURE)
        if signature is None:
            raise invalid_argument(
                f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def'
            )
        if not signature.inputs:
            raise invalid_argument(f"Failed to get input map for signature: {name or 'DEFAULT'}")
        return signature

    def run(self, signature_name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs one signature.

        Args:
            signature_name: Full name of a signature that takes inputs.
            inputs: One array for each of its inputs; strings as ``object`` arrays of ``bytes``.

        Returns:
            The outputs by name.

        Raises:
            ServingError: The graph refused the inputs, in its own words.
        """
        from tensorflow import errors

        signature = self.signatures[signature_name]
        try:
            values = self._runners[signature_name](*(inputs[name] for name in signature.inputs))
        except errors.OpError as error:
            raise ServingError(Code(error.error_code), _without_folders(error.message)) from None
        arrays = (
            np.asarray(value, object if isinstance(value, bytes) else None) for value in values
        )
        return dict(zip(signature.outputs, arrays, strict=True))

    def warm_up(self, path: Path) -> None:
        """Runs the requests that were saved with the model, so that no client meets a cold graph.

        Args:
            path: The version's folder.

        Raises:
            ServingError: A request cannot be read or fails, or there are more than 1,000.
        """
        for count, (signature_name, inputs) in enumerate(_warmup_requests(path), start=1):
            if count > _MAX_WARMUP_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeds the maximum ({_MAX_WARMUP_RECORDS})"
                )
            signature = self.signature(signature_name)
            if inputs.keys() != signature.inputs.keys():
                raise invalid_argument(
                    "warmup inputs {" + ",".join(sorted(inputs)) + "} do not match signature: "
                    "{" + ",".join(sorted(signature.inputs)) + "}"
                )
            self.run(signature.name, inputs)

    def close(self) -> None:
        """Frees the graph and its variables; the model cannot run afterwards."""
        self._close()


def load_model(path: Path, version: int) -> LoadedModel:
    """Loads and warms up a SavedModel.

    Args:
        path: Folder that holds ``saved_model.pb``.
        version: The number under which it will serve.

    Returns:
        The model, ready to serve.

    Raises:
        ServingError: The folder holds no SavedModel for serving, or a damaged one.
    """
    from tensorflow import errors

    try:
        model = _load(path, version)
        try:
            model.warm_up(path)
        except Exception:
            model.close()
            raise
    except ServingError:
        raise
    except errors.OpError as error:
        raise ServingError(Code(error.error_code), _without_paths(error.message)) from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        name = Path(str(error.filename or SAVED_MODEL_FILE)).name
        raise ServingError(Code.NOT_FOUND, f"{name}: {reason}") from None
    except Exception as error:
        # Damaged protocol buffers and graphs show up as many kinds of errors.
        raise ServingError(
            Code.INTERNAL, f"Cannot load the SavedModel ({type(error).__name__})"
        ) from None
    return model


def _load(path: Path, version: int) -> LoadedModel:
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved_model = SavedModel.FromString((path / SAVED_MODEL_FILE).read_bytes())
    meta_graph = _serving_graph(saved_model.meta_graphs)
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(meta_graph.graph_def, name="")
    session = tf.compat.v1.Session(graph=graph)
    # Some graphs read their assets again in each run, and a version's folder may be deleted.
    assets = TemporaryDirectory(prefix="emotion-assets-")
    try:
        _restore(session, meta_graph, path, _kept_assets(meta_graph, path, Path(assets.name)))
        signatures = {
            name: _signature(name, definition)
            for name, definition in sorted(meta_graph.signature_def.items())
        }
        runners = {
            name: _signature_runner(session, meta_graph.signature_def[name], signature)
            for name, signature in signatures.items()
            if signature.inputs
        }
    except Exception:
        session.close()
        assets.cleanup()
        raise

    def close() -> None:
        session.close()
        assets.cleanup()

    definitions = {name: _copy(meta_graph.signature_def[name]) for name in signatures}
    return LoadedModel(version, definitions, signatures, runners, close)


def _copy(message: Any) -> Any:  # noqa: ANN401 - a message, freed of the graph it stands in
    return type(message).FromString(message.SerializeToString())


def _serving_graph(meta_graphs: Iterable[Any]) -> Any:  # noqa: ANN401 - MetaGraphDef
    for meta_graph in meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {"serve"}:
            return meta_graph
    raise ServingError(
        Code.NOT_FOUND,
        "Could not find meta graph def matching supplied tags: { serve }",
    )


def _kept_assets(meta_graph: Any, path: Path, folder: Path) -> dict[str, np.ndarray]:  # noqa: ANN401
    """Links or copies the assets into a folder of this process; their paths by tensor."""
    assets = {}
    for number, asset in enumerate(meta_graph.asset_file_def):
        original, kept = path / "assets" / asset.filename, folder / f"{number}"
        try:
            kept.hardlink_to(original)
        except OSError:  # On another file system, or not there: copying tells.
            shutil.copyfile(original, kept)
        assets[asset.tensor_info.name] = np.array(str(kept), object)
    return assets


def _restore(
    session: Any,  # noqa: ANN401
    meta_graph: Any,  # noqa: ANN401
    path: Path,
    assets: dict[str, np.ndarray],
) -> None:
    """Reads the variables, then runs the graph's initialisation, such as filling tables."""
    saver = meta_graph.saver_def
    if (path / "variables" / "variables.index").exists():
        prefix = np.array(str(path / "variables" / "variables"), object)
        feeds = {saver.filename_tensor_name: prefix, **assets}
        _runner(session, feeds, targets=[saver.restore_op_name])(*feeds.values())
    init_op = _init_op(meta_graph)
    if init_op:
        _runner(session, assets, targets=[init_op])(*assets.values())


def _init_op(meta_graph: Any) -> str | None:  # noqa: ANN401
    """The name of the operation that initialises the graph: TensorFlow 2's way, then 1's two."""
    if _INIT_SIGNATURE in meta_graph.signature_def:
        return meta_graph.signature_def[_INIT_SIGNATURE].outputs[_INIT_SIGNATURE].name
    for key in ("saved_model_main_op", "legacy_init_op"):
        if key in meta_graph.collection_def:
            names = meta_graph.collection_def[key].node_list.value
            return names[0] if names else None
    return None


def _runner(
    session: Any,  # noqa: ANN401
    feeds: Iterable[str],
    fetches: Iterable[str] = (),
    targets: Iterable[str] = (),
) -> _Runner:
    """Prepares a part of the graph to be run over and over.

    The public ``Session.make_callable`` goes through ``Session.run`` whenever there are feeds,
    which costs 0.2 ms a call; this one, which Keras' session backend has used since TensorFlow
    1.8, costs 0.015. The graph runs in the calling thread: handing small operations to a pool
    costs more than they do.
    """
    from tensorflow.core.protobuf.config_pb2 import CallableOptions

    options = CallableOptions(feed=feeds, fetch=fetches, target=targets)
    options.run_options.inter_op_thread_pool = -1
    return session._make_callable_from_options(options)


def _signature(name: str, definition: Any) -> Signature:  # noqa: ANN401 - SignatureDef
    tensors = [*definition.inputs.values(), *definition.outputs.values()]
    if not all(tensor.WhichOneof("encoding") == "name" for tensor in tensors):
        return Signature(
            name, {}, {}, definition.method_name
        )  # Sparse and composite tensors have no JSON form.
    inputs, outputs = (
        {key: _tensor_spec(info) for key, info in sorted(tensor_map.items())}
        for tensor_map in (definition.inputs, definition.outputs)
    )
    return Signature(name, inputs, outputs, definition.method_name)


def _tensor_spec(info: Any) -> TensorSpec:  # noqa: ANN401 - TensorInfo
    from tensorflow import as_dtype

    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
    # An initialisation "tensor" is an operation and has no type.
    return TensorSpec(as_dtype(info.dtype).name if info.dtype else "invalid", sizes)


def _signature_runner(session: Any, definition: Any, signature: Signature) -> _Runner:  # noqa: ANN401
    return _runner(
        session,
        feeds=[definition.inputs[name].name for name in signature.inputs],
        fetches=[definition.outputs[name].name for name in signature.outputs],
    )


def _proto_json(message: Any) -> dict[str, Any]:  # noqa: ANN401
    """The message as TensorFlow Serving prints it: own field names, empty fields included."""
    from google.protobuf.json_format import MessageToDict

    try:
        return MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    except TypeError:  # protobuf before 5.26
        return MessageToDict(
            message, preserving_proto_field_name=True, including_default_value_fields=True
        )


def _warmup_requests(path: Path) -> Iterable[tuple[str, dict[str, np.ndarray]]]:
    """The signature name and inputs of each predict request in the warm-up file, if any."""
    file = path / _WARMUP_FILE
    if not file.exists():
        return
    try:
        from tensorflow_serving.apis.prediction_log_pb2 import (
            PredictionLog,
        )
    except ImportError:
        logger.warning("No warm-up: the package tensorflow-serving-api is not installed")
        return
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            log = PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                logger.warning("A warm-up request that is no predict request was passed over")
                continue
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            yield request.model_spec.signature_name, inputs
    except (tf.errors.DataLossError, DecodeError):
        raise ServingError(
            Code.DATA_LOSS,
            "Failed to parse warmup record. Please verify your warmup data is in TFRecord format.",
        ) from None


def _without_paths(message: str) -> str:
    """The first line of a message, with folders cut off the files it names."""
    return _without_folders(message.partition("\n")[0])


def _without_folders(message: str) -> str:
    return re.sub(r"(?<![\w.}])/(?:[^\s/'\":;]+/)+", "", message)
