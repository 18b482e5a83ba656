"""``aquilon train show``: how far a run is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.options import AsJson
from aquilon.cli.train.resume import RunArgument

if TYPE_CHECKING:
    from aquilon.training.history import History
    from aquilon.training.protocol import Job


def show(
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show it until it ends.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write RUN/report.html anew, and print its path.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run's state, losses, speed, checkpoints and data, while it trains or afterwards."""
    from aquilon.cli.output import print_json
    from aquilon.cli.tables import print_facts
    from aquilon.cli.train.running import follow_run, refused_with_usage
    from aquilon.training.history import History
    from aquilon.training.protocol import read_job

    with refused_with_usage():
        job = read_job(run)
    if report:
        from aquilon.training.report import write_report

        print(write_report(run))
    elif follow:
        follow_run(run, as_json=as_json)
    elif as_json:
        print_json(_fields(run, job, History.of(run)))
    else:
        print_facts(_facts(run, job, History.of(run)))


def _state(run: Path, history: History) -> str:
    from aquilon.training.locking import holder
    from aquilon.training.protocol import Failed, Finished, Paused

    if holder(run) is not None:
        return "training" if history.starts and history.end is None else "starting"
    match history.end:
        case Finished():
            return "finished"
        case Paused():
            return "paused"
        case Failed():
            return "failed"
    return "interrupted" if history.starts or history.prepared else "not begun"


def _fields(run: Path, job: Job, history: History) -> dict[str, Any]:
    import msgspec

    from aquilon.training.locking import holder
    from aquilon.training.report import named_shards

    last = history.validations[-1] if history.validations else None
    return {
        "state": _state(run, history),
        "process": holder(run),
        "step": history.step,
        "steps": history.total_steps,
        "loss": history.steps[-1].loss if history.steps else None,
        "smoothed_loss": history.smoothed_loss,
        "validation_loss": last.loss if last else None,
        "bits_per_byte": last.bits_per_byte if last else None,
        "tokens": history.steps[-1].tokens if history.steps else 0,
        "tokens_per_second": history.tokens_per_second,
        "seconds": history.seconds,
        "seconds_left": history.seconds_left(job.training.minutes),
        "joules": history.joules,
        "joules_measured": history.is_energy_measured,
        "checkpoints": [{"step": saved.step, "path": saved.path} for saved in _kept(run, history)],
        "end": msgspec.to_builtins(history.end),
        "data": [
            {
                "source": source,
                "tokens": shard.tokens,
                "documents": shard.documents,
                "bytes": shard.bytes,
                "fingerprint": shard.fingerprint,
            }
            for source, shard in named_shards(run, job)
        ],
        "job": msgspec.to_builtins(job),
    }


def _facts(run: Path, job: Job, history: History) -> list[tuple[str, str]]:
    import msgspec

    from aquilon.cli.train.display import joined, metric_words, sparkline, start_words, validation_words
    from aquilon.cli.train.running import next_words
    from aquilon.training.energy import energy_text
    from aquilon.training.locking import holder
    from aquilon.training.protocol import MODEL, REPORT, Failed
    from aquilon.training.report import documents_text, named_shards
    from aquilon.wording import duration_text

    state, total = _state(run, history), history.total_steps
    process = holder(run)
    facts = [("state", state if process is None else f"{state}, process {process}")]
    if isinstance(history.end, Failed) and state == "failed":
        facts.append(("problem", history.end.message))
    facts.append(("job", str(msgspec.to_builtins(job)["kind"])))
    if history.starts:
        facts.append(("model", joined(start_words(history.starts[-1]))))
    facts.append(("step", f"{history.step:,}" + (f" of {total:,}" if total is not None else "")))
    if history.steps:
        step = history.steps[-1]
        facts.append(("loss", f"{step.loss:.4f}   smoothed {history.smoothed_loss:.4f}"))
        facts.append(("", sparkline([step.loss for step in history.steps])))
        if step.metrics:
            facts.append(("preferences", joined(metric_words(step.metrics))))
        if history.validations:
            facts.append(("validation", joined(validation_words(history.validations[-1])).removeprefix("validation ")))
        facts.append(("tokens", f"{step.tokens:,}   {history.tokens_per_second or 0:,.0f} a second"))
        left = history.seconds_left(job.training.minutes)
        rest = f"   {duration_text(left)} left" if left and not history.is_finished else ""
        facts.append(("time", duration_text(history.seconds) + rest))
        if history.joules is not None:
            facts.append(("energy", energy_text(history.joules, is_measured=history.is_energy_measured)))
    facts.append(("checkpoints", ", ".join(f"step {saved.step:,}" for saved in _kept(run, history)) or "none yet"))
    for source, shard in named_shards(run, job):
        facts.append(("data", joined([source, f"{shard.tokens:,} tokens", documents_text(job, shard.documents)])))
    facts += [(name.removesuffix(".html"), str(run / name)) for name in (MODEL, REPORT) if (run / name).exists()]
    if process is None and (following := next_words(run, history)):
        facts.append(("next", following))
    return facts


def _kept(run: Path, history: History) -> list[Any]:
    return [saved for saved in history.saved if (run / saved.path).is_dir()]
