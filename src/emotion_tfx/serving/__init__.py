"""A small server of TensorFlow Serving's contract for any SavedModel, and more for emotions.

The rooms inside, from the bottom up: :mod:`.status` (errors), :mod:`.metrics` (Prometheus text),
:mod:`.json_tensor` and :mod:`.examples` (JSON to tensors and back), :mod:`.model` (one loaded
SavedModel), :mod:`.batching` (the queue in front of it), :mod:`.observer` and :mod:`.drift` (what
it answers, counted and compared), :mod:`.versions` (which version serves), :mod:`.models` (all
that are served),
:mod:`.model_config` and :mod:`.reload` (which those are); the interfaces :mod:`.rest`
(TensorFlow Serving's), :mod:`.emotions` (for people), :mod:`.inference` (the Open Inference
Protocol) and :mod:`.rpc` (gRPC); around them :mod:`.http` and :mod:`.protocol`, :mod:`.server`
(a process) and :mod:`.workers` (several).

Importing this package does not import TensorFlow; the server does so in the background once its
port is open.
"""

from __future__ import annotations

from .logs import log_to_stderr
from .server import Server, serve
from .settings import Limits, ServerSettings, read_api_key

__all__ = ["Limits", "Server", "ServerSettings", "log_to_stderr", "read_api_key", "serve"]
