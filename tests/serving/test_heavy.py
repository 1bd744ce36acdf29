"""What is done once for all threads: the import of TensorFlow, and how they take turns."""

from __future__ import annotations

import subprocess
import sys

from emotion_tfx.serving.heavy import quick_turns

_IMPORT = """
import sys
from emotion_tfx.serving.heavy import import_tensorflow

import_tensorflow()
import tensorflow as tf

unused = {name.partition(".")[0] for name in sys.modules} & {"keras", "h5py", "scipy"}
assert not unused, unused
import scipy.sparse

with tf.compat.v1.Session(graph=tf.Graph()):
    print("TensorFlow works")
"""


def test_tensorflow_comes_without_what_a_server_has_no_use_for_and_others_can_still_import_it():
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True)
    assert done.stdout == "TensorFlow works\n", done.stderr


def test_threads_take_turns_as_before_once_the_server_has_ended():
    before = sys.getswitchinterval()
    with quick_turns():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before
