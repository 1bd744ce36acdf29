"""How the server does: latency, run time, requests, graph runs, and what goes wrong."""

from __future__ import annotations

from .parts import MODELS, SERVERS, Bounds, Line, board, chart, figure, mean, quantile, rate, share
from .sdk import models, units

_SERVING, _CORE = ":tensorflow:serving", ":tensorflow:core"
_LOADS = ":tensorflow:cc:saved_model"
_REQUESTS = f"{_SERVING}:request_count"
_LATENCY = f"{_SERVING}:request_latency"
_QUEUE = f"{_SERVING}:batching_session:queuing_latency"
_RUN_TIME = f"{_CORE}:graph_run_time_usecs"

#: Whose fault a status is; the rules have the same lists, and say why.
_CALLERS = (
    "CANCELLED|INVALID_ARGUMENT|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|FAILED_PRECONDITION"
    "|OUT_OF_RANGE|UNIMPLEMENTED|UNAUTHENTICATED"
)
_BY_CALLERS, _BY_SERVER = f'status=~"{_CALLERS}"', f'status!~"OK|{_CALLERS}"'

_QUEUED = f'{SERVERS}, thread_pool_name=~"$model"'
_SECONDS = "/ 1e6"  # All times are exported in microseconds.


def serving() -> models.Dashboard:
    """The dashboard."""
    return board(
        "emotion-serving",
        "emotion-tfx: Serving",
        "How the servers do: the traffic, how long answers take, what fails and by whose fault, "
        "and how busy the model is.",
        [
            ("At a glance", _glance()),
            ("Requests", _requests()),
            ("Model runs", _runs()),
            ("Versions", _versions()),
        ],
    )


def _glance() -> list[object]:
    return [
        figure(
            "Servers up",
            "Servers that Prometheus reaches, of those that it watches.",
            units.Short,
            f"sum(up{{{SERVERS}}})",
            bounds=Bounds(1, 0.5),
        ),
        figure(
            "Versions ready",
            "Versions of the models that serve, over all servers.",
            units.Short,
            f"sum(emotion_ready_versions{{{MODELS}}})",
            bounds=Bounds(1, 0.5),
        ),
        figure(
            "Requests",
            "Requests a second, over REST and gRPC, well answered or not.",
            units.RequestsPerSecond,
            f"sum({rate(_REQUESTS, MODELS)})",
        ),
        figure(
            "Server's faults",
            "The share of requests that failed by the server's own fault. The alert is at 5 %.",
            units.PercentUnit,
            share(_REQUESTS, MODELS, _BY_SERVER),
            bounds=Bounds(0.01, 0.05),
        ),
        figure(
            "99 % answered within",
            "The 99th percentile of the latency of requests that went well. "
            "The alert is at half a second.",
            units.Seconds,
            f"{quantile(0.99, _LATENCY, MODELS)} {_SECONDS}",
            bounds=Bounds(0.25, 0.5),
        ),
        figure(
            "Alerts",
            "Alerts that fire, as Prometheus lists them under /alerts.",
            units.Short,
            'count(ALERTS{alertstate="firing", job="emotion"}) or vector(0)',
            bounds=Bounds(0.5, 1),
        ),
    ]


def _requests() -> list[object]:
    return [
        chart(
            "Latency",
            "How long requests took that went well, from their arrival to their answer: half of "
            "them less than 50 %, a hundredth longer than 99 %. The dashed line is the alert's.",
            units.Seconds,
            *(
                Line(f"{quantile(part, _LATENCY, MODELS)} {_SECONDS}", f"{part:.0%}")
                for part in (0.5, 0.95, 0.99)
            ),
            Line(f"{mean(_LATENCY, MODELS)} {_SECONDS}", "mean"),
            bound=0.5,
        ),
        chart(
            "Request count",
            "Requests a second by what became of them. OK is the good one; whose fault the others "
            "are, the chart of failures tells.",
            units.RequestsPerSecond,
            Line(f"sum by (status) ({rate(_REQUESTS, MODELS)})", "{{status}}"),
            stacked=True,
        ),
        chart(
            "Failures",
            "The share of requests that failed: by the server's fault (INTERNAL, UNAVAILABLE, "
            "DEADLINE_EXCEEDED and the like), or by the callers' (wrong input, no such model). The "
            "dashed line is the alert's, for the server's.",
            units.PercentUnit,
            Line(share(_REQUESTS, MODELS, _BY_SERVER), "server's fault"),
            Line(
                f"(sum({rate(_REQUESTS, f'{MODELS}, {_BY_CALLERS}')}) or vector(0)) "
                f"/ sum({rate(_REQUESTS, MODELS)})",
                "callers' fault",
            ),
            bound=0.05,
            colours={"server's fault": "red", "callers' fault": "orange"},
        ),
        chart(
            "Latency by interface",
            "The 99th percentile of the latency of each kind of call, over REST and gRPC.",
            units.Seconds,
            Line(
                f"{quantile(0.99, _LATENCY, MODELS, 'API, entrypoint')} {_SECONDS}",
                "{{API}} {{entrypoint}}",
            ),
        ),
        chart(
            "Turned away",
            "Requests over HTTP that were refused before they were read: 503 as there were too "
            "many, 413 as too large, 401 without the key. No other chart counts them.",
            units.RequestsPerSecond,
            Line(
                f"sum by (status) ({rate('emotion_refused_requests_total', SERVERS)})", "{{status}}"
            ),
            width=24,
        ),
    ]


def _runs() -> list[object]:
    runs = rate(f"{_CORE}:graph_runs", SERVERS)
    busy = rate(_RUN_TIME, SERVERS)
    return [
        chart(
            "Run time",
            "How long a run of the model's graph took, of all models together. A run answers all "
            "requests that were waiting, so it grows with the load while the latency hardly does.",
            units.Seconds,
            *(
                Line(
                    f"{quantile(part, f'{_RUN_TIME}_histogram', SERVERS)} {_SECONDS}", f"{part:.0%}"
                )
                for part in (0.5, 0.95, 0.99)
            ),
            Line(f"sum({busy}) / sum({runs}) {_SECONDS}", "mean"),
        ),
        chart(
            "Graph runs",
            "Runs of the model's graph a second, of all models together.",
            units.OpsPerSecond,
            Line(f"sum by (instance) ({runs})", "{{instance}}"),
        ),
        chart(
            "Saturation",
            "How much of the time a server's model is running: at 100 % a model's one thread never "
            "rests, and requests begin to wait. With several workers or models the sum of all.",
            units.PercentUnit,
            Line(f"sum by (instance) ({busy}) {_SECONDS}", "{{instance}}"),
        ),
        chart(
            "Queueing",
            "How long requests waited for the model while it was busy with others. "
            "The dashed line is the alert's.",
            units.Seconds,
            *(
                Line(f"{quantile(part, _QUEUE, _QUEUED)} {_SECONDS}", f"{part:.0%}")
                for part in (0.5, 0.99)
            ),
            bound=0.25,
        ),
        chart(
            "Requests a run",
            "How many requests a run of the graph answers on average. The batch grows with the "
            "load by itself: 1 when there is little.",
            units.Short,
            Line(
                f"sum by (model_name) ({rate(f'{_SERVING}:runtime_latency_count', MODELS)}) "
                f"/ ignoring (model_name) group_left () sum({runs})",
                "{{model_name}}",
            ),
            width=24,
        ),
    ]


def _versions() -> list[object]:
    return [
        chart(
            "Version",
            "The newest version that serves, of each model on each server.",
            units.NoUnit,
            Line(f"emotion_model_version{{{MODELS}}}", "{{model_name}} on {{instance}}"),
        ),
        chart(
            "Versions ready and failing",
            "How many versions serve, and how many should but cannot be loaded: the second is an "
            "alert from 1 on.",
            units.Short,
            Line(f"emotion_ready_versions{{{MODELS}}}", "ready: {{model_name}} on {{instance}}"),
            Line(
                f"emotion_failing_versions{{{MODELS}}}", "failing: {{model_name}} on {{instance}}"
            ),
        ),
        chart(
            "Model loads",
            "Attempts to load a version since the start of the server, by how they ended.",
            units.Short,
            Line(
                f"sum by (instance, status) ({_LOADS}:load_attempt_count{{{SERVERS}}})",
                "{{status}} on {{instance}}",
            ),
        ),
        chart(
            "Load time",
            "How long it took on average to load a version, before it took over.",
            units.Seconds,
            Line(
                f"sum by (instance) ({_LOADS}:load_latency{{{SERVERS}}}) / sum by (instance) "
                f'({_LOADS}:load_attempt_count{{{SERVERS}, status="success"}}) {_SECONDS}',
                "{{instance}}",
            ),
        ),
    ]
