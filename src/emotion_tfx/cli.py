"""``emotion``: everything from the command line."""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion_tfx.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from emotion_tfx.config import Settings
    from emotion_tfx.data import Extra
    from emotion_tfx.model.classifier import EmotionClassifier
    from emotion_tfx.pipeline.run import RunResult

app = typer.Typer(
    help="Which of six emotions a short English text expresses, how sure that is, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

feedback = typer.Typer(help="What people said about the answers in the web app.")
app.add_typer(feedback, name="feedback", no_args_is_help=True)

monitor = typer.Typer()
app.add_typer(monitor, name="monitor")

pipeline = typer.Typer(help="The pipeline beyond this machine.")
app.add_typer(pipeline, name="pipeline", no_args_is_help=True)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        "-d",
        help="A CSV with the columns text and label, or a folder of them (train.csv, "
        "validation.csv and test.csv are kept as they are). Without it: the corpus in the "
        "cache, the Kaggle corpus, or the bundled sample.",
    ),
]
Extras = Annotated[
    list[str] | None,
    typer.Option("--extra", help="Texts of another kind, for training only: FILE or FILE=WEIGHT."),
]
Mores = Annotated[
    list[str] | None,
    typer.Option(
        "--more",
        help="Further texts of the same corpus, for training only, whatever their balance of "
        "labels: FILE or FILE=WEIGHT.",
    ),
]
Unseen = Annotated[
    list[Path] | None,
    typer.Option(
        "--unseen",
        help="A CSV, or a folder of them, whose texts must not be trained on: a benchmark's.",
    ),
]
Feedback = Annotated[
    list[str] | None,
    typer.Option(
        "--feedback",
        help="What people said about answers, for training only: FILE.csv of `emotion feedback "
        "export`, or the web app's feedback.sqlite itself. It wins over other labels of the same "
        "text.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for all that a run writes.")
]
BeamRunner = Annotated[
    str | None, typer.Option(help="Beam engine, such as FlinkRunner or DataflowRunner.")
]
BeamArgs = Annotated[
    list[str] | None, typer.Option("--beam-arg", help="An option of the Beam engine.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="A model's folder, or a folder of versions. Without it: the newest model pushed "
        "from real data, or else the shipped one.",
    ),
]

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        help="A server to watch, as HOST:PORT of its REST interface; 127.0.0.1:8501 without it.",
    ),
]
Alertmanagers = Annotated[
    list[str] | None,
    typer.Option("--alertmanager", help="An Alertmanager to tell of alerts, as HOST:PORT."),
]

_TARGET = "127.0.0.1:8501"


@app.command()
def train(
    data: Data = None,
    more: Mores = None,
    extra: Extras = None,
    unseen: Unseen = None,
    feedback: Feedback = None,
    output: Output = None,
    beam_runner: BeamRunner = None,
    beam_arg: BeamArgs = None,
) -> None:
    """Run the pipeline: check the data, train, evaluate, and push the model if it is good.

    It is good if it reaches EMOTION_MIN_ACCURACY on the test texts and lies no more
    than EMOTION_MAX_DROP below the model in service on the same texts: the one pushed
    last, or with --feedback else the shipped one.
    """
    settings = _settings(output, beam_runner, beam_arg)
    _end(_train(settings, data, more, extra, unseen, feedback=feedback))


@app.command()
def tune(
    data: Data = None,
    trials: Annotated[int, typer.Option(min=1, help="Trainings to search with.")] = 10,
    more: Mores = None,
    extra: Extras = None,
    unseen: Unseen = None,
    output: Output = None,
) -> None:
    """Search the hyperparameters, train with the best, and keep them for the runs to come."""
    _end(_train(_settings(output), data, more, extra, unseen, trials=trials))


@app.command()
def run(
    data: Data = None,
    more: Mores = None,
    extra: Extras = None,
    unseen: Unseen = None,
    output: Output = None,
) -> None:
    """Train, then serve what was pushed (or what was in service before), with the web app."""
    settings = _settings(output)
    result = _train(settings, data, more, extra, unseen)
    if result.version is None:
        raise UserError(
            "No model was good enough to be pushed, so there is nothing to serve",
            "Look at the report, or serve the shipped model with `emotion serve`.",
        )
    # A fresh process: the pipeline's gigabyte of libraries has no place in a server.
    command = [sys.executable, "-m", "emotion_tfx.together"]
    os.execv(sys.executable, [*command, str(result.paths.serving_model)])


@pipeline.command(name="compile")
def compile_(
    image: Annotated[
        str, typer.Option(help="Container image with emotion-tfx in it, for every step.")
    ],
    root: Annotated[
        str, typer.Option(help="Bucket folder for all that the steps write: gs://BUCKET/FOLDER.")
    ],
    serving_model: Annotated[
        str | None,
        typer.Option(help="Bucket folder to push versions to; ROOT/serving_model/emotion if none."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The specification: .json (Vertex AI) or .yaml (KFP)."),
    ] = Path("pipeline.json"),
    data: Data = None,
    more: Mores = None,
    extra: Extras = None,
    unseen: Unseen = None,
    beam_runner: BeamRunner = None,
    beam_arg: BeamArgs = None,
) -> None:
    """Compile the pipeline for Vertex AI Pipelines or Kubeflow Pipelines 2.

    Checks and prepares the data here, as train does, and writes the specification
    and beside it a folder to be copied into the bucket, from which the run starts.
    """
    from rich.console import Console

    from emotion_tfx.data import find_corpus
    from emotion_tfx.pipeline.compile import Cluster, compile_pipeline

    settings = _settings(None, beam_runner, beam_arg)
    base = serving_model or f"{root.rstrip('/')}/serving_model/emotion"
    cluster = Cluster(image, root, base)
    console = Console(highlight=False)
    corpus = find_corpus(data, cache=settings.cache, say=console.print)
    extras = _extras(settings, more, extra, is_sample=corpus.is_sample)
    folder = compile_pipeline(corpus, settings, cluster, output, extras=extras, unseen=unseen or ())
    for line in (
        f"specification  {output}",
        f"input          {folder}",
        f"copy it first  gcloud storage rsync --recursive {folder} {cluster.input}",
    ):
        console.print(line, soft_wrap=True)


@app.command()
def serve(
    model_base: Annotated[
        Path | None, typer.Option(help="Folder of numbered versions; default as in predict.")
    ] = None,
    model_name: Annotated[str, typer.Option(help="Name in the address.")] = "emotion",
    rest_port: Annotated[int, typer.Option(help="Port of the REST interface.")] = 8501,
    grpc_port: Annotated[
        int, typer.Option(help="Port of the gRPC interface; 0 leaves it out.")
    ] = 8500,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    model_config: Annotated[
        Path | None,
        typer.Option(
            help="TensorFlow Serving's model_config_file: several models, version policies and "
            "labels. Read again when it changes.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; each loads the model and uses a core or two.")
    ] = 1,
    poll_seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            help="Time between two looks for a new version; longer where each look costs, as in "
            "a bucket.",
        ),
    ] = 1.0,
    open_when_ready: Annotated[
        bool,
        typer.Option(
            "--open-when-ready",
            help="Open the ports only once every model serves, as TensorFlow Serving does: for "
            "servers behind a balancer that does not ask for health, such as nginx.",
        ),
    ] = False,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the key that clients must show; or put it into EMOTION_API_KEY."
        ),
    ] = None,
) -> None:
    """Serve a model as TensorFlow Serving does, over REST and gRPC, and to people.

    POST /v1/emotions answers a text, /docs describes it, /v1/models/NAME:predict
    and gRPC are TensorFlow Serving's, /v2 is the Open Inference Protocol, and
    /monitoring/prometheus/metrics is for Prometheus. A new version in the folder
    takes over within a second or two; SIGTERM answers what was accepted, then ends.
    """
    from emotion_tfx.config import Settings
    from emotion_tfx.model.locate import default_base
    from emotion_tfx.serving import Limits, ServerSettings, log_to_stderr, read_api_key
    from emotion_tfx.serving import serve as serve_model

    given = Settings.load()
    base = model_base or default_base(given)
    settings = ServerSettings(
        model_base=base,
        model_name=model_name,
        model_config=model_config,
        poll_seconds=poll_seconds,
        host=host,
        rest_port=rest_port,
        grpc_port=grpc_port or None,
        api_key=read_api_key(api_key_file),
        workers=workers,
        limits=Limits(drift_window=given.drift_window),
        open_when_ready=open_when_ready,
    )
    address = f"http://{host}:{rest_port}"
    key = ' -H "Authorization: Bearer $EMOTION_API_KEY"' if settings.api_key else ""

    def announce() -> None:
        typer.echo(f"\nserving {model_config or base}\n  API      {address}/docs")
        if model_config is None:
            typer.echo(f"  status   {address}/v1/models/{model_name}")
        if grpc_port:
            typer.echo(f"  gRPC     {host}:{grpc_port}")
        typer.echo(
            f"  try      curl -s {address}/v1/emotions{key} -d "
            '\'{"text": "i feel wonderful today"}\'\n'
            "Ctrl-C stops it."
        )

    log_to_stderr()
    serve_model(settings, on_ready=announce)


@app.command(name="app")
def web_app(
    server: Annotated[
        str | None,
        typer.Option(help="Address of the server to ask; http://127.0.0.1:8501 without it."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the web app.")] = 8502,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
) -> None:
    """Open the web app: one text, whole files, the model, and how it is doing.

    It asks a running server (`emotion serve`), here or elsewhere, and loads no model
    of its own. EMOTION_API_KEY is the key for a server that wants one,
    EMOTION_PROMETHEUS the address of a Prometheus for the monitoring page, and
    EMOTION_FEEDBACK a database for feedback other than a file in the output folder.
    """
    from emotion_tfx.app.launch import launch
    from emotion_tfx.config import Settings

    given = {} if server is None else {"server": server}
    launch(Settings.load(**given), host, port)


@feedback.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the CSV.")] = Path(
        "feedback.csv"
    ),
) -> None:
    """Write the texts that people judged, and consented to give, as a CSV to train with.

    The label is what they chose. Where several judged one text, the label chosen
    most often counts; between equals, the latest. Train with it:
    emotion train --data mine.csv --feedback feedback.csv
    """
    from emotion_tfx.app.feedback import FeedbackStore
    from emotion_tfx.config import Settings

    exported = FeedbackStore(Settings.load().feedback_address).export(output)
    typer.echo(f"{exported.texts} texts written to {output}")
    if exported.withheld:
        typer.echo(f"{exported.withheld} further judgements were given without their text")


@monitor.callback(invoke_without_command=True)
def watch(
    context: typer.Context,
    target: Targets = None,
    port: Annotated[int, typer.Option(help="Port of Prometheus.")] = 9090,
    grafana_port: Annotated[int, typer.Option(help="Port of Grafana.")] = 3000,
    alertmanager: Alertmanagers = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the servers' key; or put it into EMOTION_API_KEY."),
    ] = None,
    output: Output = None,
) -> None:
    """Watch servers with Prometheus, its alerts, and Grafana's dashboards, until Ctrl-C.

    The programs are those of this machine: Prometheus is needed, Grafana is started
    if it is there. Both listen on loopback only, and keep what they see in the folder
    monitoring of the output folder. The commands below do the rest.
    """
    if context.invoked_subcommand is not None:
        return
    from emotion_tfx.monitoring.files import Watch
    from emotion_tfx.monitoring.launch import watch_here

    watched = Watch(target or [_TARGET], alertmanager or (), api_key_file)
    raise typer.Exit(watch_here(_settings(output), watched, port, grafana_port))


@monitor.command()
def files(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    target: Targets = None,
    prometheus: Annotated[
        str, typer.Option(help="Address at which Grafana will find Prometheus.")
    ] = "http://127.0.0.1:9090",
    dashboards: Annotated[
        Path | None,
        typer.Option(help="Where Grafana will find the dashboards; FOLDER/grafana/dashboards."),
    ] = None,
    alertmanager: Alertmanagers = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="Where Prometheus will find the servers' key, if any.")
    ] = None,
) -> None:
    """Write what Prometheus and Grafana are told by, for Docker, Kubernetes or your own.

    FOLDER/prometheus is for /etc/prometheus, FOLDER/grafana/provisioning for
    /etc/grafana/provisioning, and FOLDER/grafana/dashboards for any place that
    --dashboards names. The addresses are those seen from where the programs will run:
    emotion monitor files deploy --target emotion:8501 --prometheus http://prometheus:9090
    """
    from emotion_tfx.monitoring.files import Watch, write_all

    watched = Watch(target or [_TARGET], alertmanager or (), api_key_file)
    write_all(folder, watched, prometheus, dashboards)
    typer.echo(f"written  {folder / 'prometheus'} and {folder / 'grafana'}")


@monitor.command()
def report(
    input_: Annotated[
        Path | None, typer.Option("--input", "-i", help="A CSV of texts, with labels or without.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    from_feedback: Annotated[
        bool,
        typer.Option("--feedback", help="The texts that people judged in the web app instead."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The HTML file to write; drift.html in the output."),
    ] = None,
    model: Model = None,
) -> None:
    """Compare a model's answers to texts with those it gave when it was judged.

    Writes one HTML file: how far the emotions, the confidence, the lengths and the
    unknown words have drifted, and how many answers should be right. Where the texts
    have labels (a column label), it tells beside that how many are.
    """
    from rich.console import Console

    from emotion_tfx.monitoring.report import look, print_drift, write_drift_report
    from emotion_tfx.monitoring.texts import feedback_texts, file_texts

    if (input_ is None) == (not from_feedback):
        raise UserError(
            "There are no texts to look at" if input_ is None else "Texts are asked for twice",
            "Give --input FILE.csv, or --feedback for what people judged in the web app.",
        )
    settings = _settings()
    texts = feedback_texts(settings) if input_ is None else file_texts(input_, text_column)
    seen = look(_classifier(model), texts)
    path = write_drift_report(output or settings.output / "drift.html", seen)
    console = Console(highlight=False)
    print_drift(console, seen)
    console.print(f"\nreport  {path}", soft_wrap=True)


@monitor.command()
def reference(
    data: Annotated[Path, typer.Argument(help="A labelled CSV that the model was not trained on.")],
    model: Model = None,
) -> None:
    """Keep with a model what its answers look like on texts that it is judged on.

    Every model that `emotion train` pushes has that from its test texts. This is for
    others: without it, a server measures no drift and estimates no accuracy.
    """
    from emotion_tfx.monitoring.observe import record_reference

    typer.echo(f"written  {record_reference(_classifier(model), data)}")


@app.command()
def lineage(
    version: Annotated[
        str | None, typer.Argument(help="A version's number; the model in service without it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder that the runs wrote to.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Tell which data, code and parameters made a version, and what its gate found."""
    from rich.console import Console

    from emotion_tfx.pipeline.lineage import find_lineage, print_lineage

    found = find_lineage(_settings(output), version)
    if as_json:
        sys.stdout.write(found.to_json())
    else:
        print_lineage(Console(highlight=False), found)


@app.command()
def predict(
    text: Annotated[str | None, typer.Argument(help="A text; standard input without it.")] = None,
    input_: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A CSV with a text a row, or a folder of them."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the answers as CSV.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a text.")] = False,
    model: Model = None,
    beam_runner: BeamRunner = None,
    beam_arg: BeamArgs = None,
) -> None:
    """Say which emotion a text expresses: one text, a CSV, or standard input (a text a line).

    A folder of CSV files goes through Beam, a file at a time in each of its workers.
    """
    from emotion_tfx import bulk

    if input_ is not None:
        if output is None:
            raise UserError("--input needs --output", "Say where to write: --output OUT.csv.")
        if input_.is_dir():
            from emotion_tfx.pipeline.many import predict_folder

            beam_args = _settings(None, beam_runner, beam_arg).beam_args
            files = predict_folder(model, input_, output, text_column, beam_args)
            typer.echo(f"{files} files answered in {output}")
            return
        bulk.predict_csv(_classifier(model), input_, output, text_column)
    elif text is not None:
        bulk.predict_texts(_classifier(model), [text], as_json=as_json)
    else:
        bulk.predict_texts(_classifier(model), bulk.read_lines(sys.stdin.buffer), as_json=as_json)


@app.command()
def evaluate(
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="A labelled CSV to measure it on.")
    ] = None,
    behaviour: Annotated[
        bool,
        typer.Option(
            "--behaviour",
            help="Ask it about the written cases instead: negation, typos, emoji and so on.",
        ),
    ] = False,
    record: Annotated[
        bool,
        typer.Option("--record", help="With --behaviour: keep the result with the model."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
    model: Model = None,
) -> None:
    """Measure a model on a labelled CSV, or on the cases of the behavioural suite."""
    from emotion_tfx import bulk

    if record and not behaviour:
        raise UserError("--record is for the behavioural suite", "Add --behaviour.")
    if behaviour and data is not None:
        raise UserError("--data and --behaviour are two measurements", "Run them one by one.")
    if behaviour:
        bulk.evaluate_behaviour(_classifier(model), as_json=as_json, record=record)
    elif data is not None:
        bulk.evaluate_csv(_classifier(model), data, as_json=as_json)
    else:
        raise UserError(
            "There is nothing to measure the model on",
            "Give --data FILE.csv with labelled texts, or --behaviour for the written cases.",
        )


def _settings(
    output: Path | None = None,
    beam_runner: str | None = None,
    beam_args: list[str] | None = None,
) -> Settings:
    from emotion_tfx.config import Settings

    given: dict[str, object] = {} if output is None else {"output": output}
    if beam_runner or beam_args:
        runner = [f"--runner={beam_runner}"] if beam_runner else []
        given["beam_args"] = [*runner, *(beam_args or [])]
    return Settings.load(**given)


def _train(
    settings: Settings,
    data: Path | None,
    more: list[str] | None,
    extra: list[str] | None,
    unseen: list[Path] | None,
    *,
    feedback: list[str] | None = None,
    trials: int = 0,
) -> RunResult:
    from rich.console import Console

    from emotion_tfx.data import find_corpus
    from emotion_tfx.evaluation import Metrics
    from emotion_tfx.evaluation.console import print_metrics
    from emotion_tfx.pipeline.run import run_pipeline

    console = Console(highlight=False)
    corpus = find_corpus(data, cache=settings.cache, say=console.print)
    result = run_pipeline(
        corpus,
        settings,
        console,
        extras=_extras(settings, more, extra, is_sample=corpus.is_sample),
        unseen=unseen or (),
        feedback=[_feedback(settings, value) for value in feedback or ()],
        trials=trials,
    )
    stored = (result.report.parent / "metrics.json").read_text(encoding="utf-8")
    print_metrics(console, Metrics.from_dict(json.loads(stored)))
    console.print(f"report  {result.report}", soft_wrap=True)
    _print_gate(console, result)
    if corpus.is_sample:
        console.print(
            "This model was trained on the bundled sample: it shows the system at work, is no "
            "measure of it, and never becomes the default of `emotion predict`."
        )
    return result


def _print_gate(console: Console, result: RunResult) -> None:
    """What the model was compared with, what came of it, and why."""
    if result.compared is not None:
        console.print(
            f"compared on the test texts with the model in service  {result.compared}",
            soft_wrap=True,
        )
    for reason in result.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    if result.pushed:
        console.print(f"pushed  {result.version}", soft_wrap=True)
    elif result.accepted:
        console.print(f"unchanged  {result.version}", soft_wrap=True)
    else:
        stays = result.version or result.compared
        in_service = f"in service stays {stays}" if stays else "none is in service"
        console.print(
            f"The model is not good enough and was not pushed; {in_service}. "
            "EMOTION_MIN_ACCURACY and EMOTION_MAX_DROP set what is enough.",
            soft_wrap=True,
        )


def _feedback(settings: Settings, value: str) -> Extra:
    """A file of feedback; what a database holds is written to one in the output folder."""
    from emotion_tfx.data import Extra

    given = Extra.parse(value)
    try:
        with given.path.open("rb") as file:
            is_database = file.read(16) == b"SQLite format 3\0"
    except OSError:
        return given  # Reading it as a CSV tells what is wrong.
    if not is_database:
        return given
    from emotion_tfx.app.feedback import FeedbackStore

    # Named after the database, as there may be several.
    name = sha256(str(given.path.absolute()).encode()).hexdigest()[:8]
    exported = settings.output.absolute() / f"{given.path.stem}-{name}.csv"
    exported.parent.mkdir(parents=True, exist_ok=True)
    FeedbackStore(f"sqlite:///{given.path.absolute()}").export(exported)
    return replace(given, path=exported)


def _extras(
    settings: Settings, more: list[str] | None, extra: list[str] | None, *, is_sample: bool
) -> list[Extra]:
    """What is trained on beside the corpus; the sample is for a quick look and stands alone."""
    from emotion_tfx.data import Extra, written_extra

    extras = [Extra.parse(value, same_domain=True) for value in more or ()]
    extras += [Extra.parse(value) for value in extra or ()]
    if settings.written_weight and not is_sample:
        extras.append(written_extra(settings.written_weight))
    return extras


def _end(result: RunResult) -> None:
    """Ends a run with the code 1 if its model was refused, for scripts to see."""
    if not result.accepted:
        raise typer.Exit(1)


def _classifier(model: Path | None) -> EmotionClassifier:
    from emotion_tfx import EmotionClassifier

    return EmotionClassifier(model)


def main() -> None:
    """The entry point: errors the user can mend end in one message."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    # TensorFlow's functions fail to be deleted when Python ends; nothing is lost by it.
    sys.unraisablehook = lambda _: None
    try:
        app(standalone_mode=True)
    except UserError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
