"""A small server of TensorFlow Serving's REST contract for any SavedModel.

The rooms inside, from the bottom up: :mod:`.status` (errors), :mod:`.metrics` (Prometheus text),
:mod:`.json_tensor` (JSON to tensors and back), :mod:`.model` (one loaded SavedModel),
:mod:`.batching` (the queue in front of it), :mod:`.versions` (which version serves),
:mod:`.http` (paths and replies) and :mod:`.server` (the process).

Importing this package does not import TensorFlow; the server does so in the background once its
port is open.
"""

from __future__ import annotations

from .server import Server, serve
from .settings import Limits, ServerSettings

__all__ = ["Limits", "Server", "ServerSettings", "serve"]
