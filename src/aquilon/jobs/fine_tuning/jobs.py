"""What callers do with fine-tuning jobs: create, list, start, pause, resume, cancel and delete them."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.errors import ApiError, LimitReached, forbidden, invalid, not_found
from aquilon.jobs.files import Files, unwritable
from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters, Method
from aquilon.jobs.fine_tuning.preparing import Amount, Order, Source, Unusable, prepare_run
from aquilon.jobs.fine_tuning.store import EventKind, JobFilter, NewEvent
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob
from aquilon.jobs.tables import StoredFile
from aquilon.money.prices import FREE, price_list_of
from aquilon.money.terms import KnownTerms
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import audit
from aquilon.settings import Settings
from aquilon.storage import Database

Contract = Literal["openai", "mistral"]

MOST_OPEN = 50
"""The most jobs of an organization that have not ended."""
PURPOSE = "fine-tune"
_MOST_SEED = 2**31 - 1
_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class NewJob:
    contract: Contract
    model: str
    method: Method
    training_file_ids: Sequence[str]
    validation_file_ids: Sequence[str] = ()
    numbers: Hyperparameters = field(default_factory=Hyperparameters)
    suffix: str | None = None
    seed: int | None = None
    metadata: Mapping[str, str] | None = None
    auto_start: bool = True


@dataclass(frozen=True, kw_only=True)
class Estimate:
    amount: Amount
    cost: int
    """Millionths of a cent."""


class FineTuningJobs:
    """Methods with a principal raise ApiError: 403 without the right, 404 for a job or file the caller can't see."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        files: Files,
        catalogue: Catalogue,
        terms: KnownTerms,
        new_work: asyncio.Event | None = None,
    ) -> None:
        """``new_work`` is set when this process's runner has something to do; None if it has no runner."""
        self._database = database
        self._accepts = settings.training_processes > 0 and not settings.is_gateway
        self._folder = settings.fine_tuning_folder
        self._estimating = asyncio.Semaphore(1)
        """One estimate at once: each reads whole files."""
        self._files = files
        self._catalogue = catalogue
        self._terms = terms
        self._new_work = new_work

    async def create(self, principal: Principal, new: NewJob) -> FineTuningJob:
        """Raises ApiError: 400 for a model that can't be fine-tuned or a file of another purpose, 403 where this
        server fine-tunes no models, 404 for an unknown model or file, 429 with too many jobs."""
        base, _ = await self._checked(principal, new)
        now, job_id = int(time.time()), new_id("ftjob")
        row = FineTuningJob(
            id=job_id,
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            api_key_id=principal.api_key_id,
            contract=new.contract,
            base=base.name,
            method=new.method,
            suffix=new.suffix,
            seed=secrets.randbelow(_MOST_SEED) if new.seed is None else new.seed,
            training_file_ids=list(new.training_file_ids),
            validation_file_ids=list(new.validation_file_ids),
            hyperparameters=msgspec.to_builtins(new.numbers),
            job_metadata=None if new.metadata is None else dict(new.metadata),
            auto_start=new.auto_start,
            status="validating_files",
            step=0,
            trained_tokens=0,
            starts=0,
            read_bytes=0,
            created_at=now,
            modified_at=now,
            lease_until=0,
        )
        async with self._database.writing(alone=True) as session:
            if await store.count_open(session, Scope.of_organization(principal)) >= MOST_OPEN:
                raise _too_many()
            await store.add(session, row)
            await store.add_events(session, row, [NewEvent.said("created", f"Created fine-tuning job: {job_id}")])
            await store.add_events(session, row, [NewEvent.said("checking", "Validating training file")])
            await audit.record(session, principal, "fine_tuning_job.created", object_id=job_id, object_name=base.name)
        self._look()
        return row

    async def estimate(self, principal: Principal, new: NewJob) -> Estimate:
        """What the job would train on and cost. Raises ApiError as ``create``, and 400 for unusable files."""
        base, files = await self._checked(principal, new)
        sources = [self._source(new, file) for file in files]
        order = Order(
            method=new.method,
            numbers=new.numbers,
            model=base.path,
            training=[source for source in sources if source.file_id in new.training_file_ids],
            validation=[source for source in sources if source.file_id in new.validation_file_ids],
            seed=0,
        )
        folder = self._folder / "estimates" / new_id("estimate")
        try:
            async with self._estimating:
                amount = await prepare_run(folder, order)
        except Unusable as error:
            raise invalid(str(error), param=error.field, code=error.code) from None
        except OSError as error:
            raise unwritable(error) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        terms = await self._terms.of(principal.organization_id)
        prices = price_list_of(base.name, terms.prices)
        price = (prices.at(int(time.time())) if prices is not None else None) or FREE
        return Estimate(amount=amount, cost=amount.trained_tokens * price.training)

    async def get(self, principal: Principal, job_id: str) -> FineTuningJob:
        _require(principal)
        async with self._database.reading() as session:
            job = await store.by_id(session, principal, job_id)
        if job is None:
            raise not_found(
                f"There is no fine-tuning job '{job_id[:100]}'",
                code="fine_tuning_job_not_found",
                values={"name": job_id[:100]},
            )
        return job

    async def page(
        self,
        principal: Principal,
        criteria: JobFilter = JobFilter(),
        *,
        after: str | None = None,
        offset: int = 0,
        limit: int,
    ) -> list[FineTuningJob]:
        _require(principal)
        async with self._database.reading() as session:
            return await store.newest_first(session, principal, criteria, after=after, offset=offset, limit=limit)

    async def count(self, principal: Principal, criteria: JobFilter) -> int:
        _require(principal)
        async with self._database.reading() as session:
            return await store.count(session, principal, criteria)

    async def events(
        self,
        principal: Principal,
        job_id: str,
        *,
        kinds: Sequence[EventKind],
        before: int | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[FineTuningEvent]:
        """As `store.events`."""
        job = await self.get(principal, job_id)
        async with self._database.reading() as session:
            return await store.events(session, job, kinds=kinds, before=before, after=after, limit=limit)

    async def start(self, principal: Principal, job_id: str) -> FineTuningJob:
        """Start a job whose files are validated, or resume one that is paused."""
        return await self._change(
            principal, job_id, action="started", to="queued", when=("validated", "paused"), done=("queued", "running")
        )

    async def pause(self, principal: Principal, job_id: str) -> FineTuningJob:
        """The training process writes a checkpoint first. A job that hasn't begun is paused at once."""
        not_begun = await self._changed(
            principal, job_id, to="paused", when=("queued",), untouched=True, event=NewEvent.said("paused", "Paused")
        )
        if not not_begun:
            await self._change(
                principal,
                job_id,
                action="paused",
                to="pausing",
                when=("queued", "running"),
                done=("pausing", "paused"),
                record=False,
            )
        return await self._recorded(principal, job_id, "fine_tuning_job.paused")

    async def resume(self, principal: Principal, job_id: str) -> FineTuningJob:
        return await self._change(
            principal, job_id, action="resumed", to="queued", when=("paused",), done=("queued", "running")
        )

    async def cancel(self, principal: Principal, job_id: str) -> FineTuningJob:
        """Nothing of the job is kept, except what its lists show."""
        now = int(time.time())
        not_begun = await self._changed(
            principal,
            job_id,
            to="cancelled",
            when=("validating_files", "validated", "queued", "paused"),
            untouched=True,
            event=NewEvent.said("cancelled", "Cancelled"),
            ended_at=now,
        )
        if not not_begun:
            await self._change(
                principal,
                job_id,
                action="cancelled",
                to="cancelling",
                when=(*store.OPEN,),
                done=("cancelling", "cancelled"),
                record=False,
            )
        return await self._recorded(principal, job_id, "fine_tuning_job.cancelled")

    async def delete(self, principal: Principal, job_id: str) -> None:
        """Delete a job's record; its model and its files stay. Raises ApiError 409 if it has not ended."""
        job = await self.get(principal, job_id)
        async with self._database.writing() as session:
            if not await store.remove(session, Scope.of_organization(principal), job_id):
                raise _conflict(f"The fine-tuning job '{job_id}' is {job.status}: cancel it first", "job_not_ended")
            await audit.record(session, principal, "fine_tuning_job.deleted", object_id=job_id, object_name=job.base)

    async def _change(
        self,
        principal: Principal,
        job_id: str,
        *,
        action: str,
        to: str,
        when: Sequence[str],
        done: Sequence[str],
        record: bool = True,
    ) -> FineTuningJob:
        """Raises ApiError 409 for a job in another status than ``when`` or, where nothing is to do, ``done``."""
        if not await self._changed(principal, job_id, to=to, when=when):
            job = await self.get(principal, job_id)
            if job.status not in done:
                raise _conflict(
                    f"The fine-tuning job '{job_id}' can't be {action}: it is {job.status}", f"job_not_{action}"
                )
            return job
        return (
            await self._recorded(principal, job_id, f"fine_tuning_job.{action}")
            if record
            else await self.get(principal, job_id)
        )

    async def _changed(
        self,
        principal: Principal,
        job_id: str,
        *,
        to: str,
        when: Sequence[str],
        untouched: bool = False,
        event: NewEvent | None = None,
        **values: Any,
    ) -> bool:
        job = await self.get(principal, job_id)
        async with self._database.writing() as session:
            scope = Scope.of_organization(principal)
            changed = await store.change(session, scope, job_id, when=when, untouched=untouched, status=to, **values)
            if changed and event is not None:
                await store.add_events(session, job, [event])
        self._look()
        return changed

    async def _recorded(self, principal: Principal, job_id: str, action: str) -> FineTuningJob:
        job = await self.get(principal, job_id)
        async with self._database.writing() as session:
            await audit.record(session, principal, action, object_id=job_id, object_name=job.base)
        return job

    async def _checked(self, principal: Principal, new: NewJob) -> tuple[LocalModel, list[StoredFile]]:
        _require(principal)
        if not self._accepts:
            raise forbidden(
                "This server fine-tunes no models: its operator has turned that off (AQUILON_TRAINING_PROCESSES)",
                code="fine_tuning_off",
            )
        if new.suffix is not None and not _SUFFIX.fullmatch(new.suffix):
            raise invalid(
                f"suffix is '{new.suffix[:64]}': it has letters, digits and . _ -, a letter or digit first, at most 64",
                param="suffix",
                code="invalid_suffix",
                values={"value": new.suffix[:64]},
            )
        base = await self._base(principal, new.model)
        named = {**dict.fromkeys(new.training_file_ids, True), **dict.fromkeys(new.validation_file_ids, False)}
        if overlap := set(new.training_file_ids) & set(new.validation_file_ids):
            raise invalid(
                f"The file '{min(overlap)}' is to be trained on and validated with: validation needs other examples",
                param=_field(new, training=False),
                code="files_overlap",
            )
        files = []
        for file_id, is_training in named.items():
            file = await self._files.get(principal, file_id, check_right=False)
            if file.purpose != PURPOSE:
                raise invalid(
                    f"The file '{file.id}' is for '{file.purpose}': upload it with the purpose '{PURPOSE}'",
                    param=_field(new, training=is_training),
                    code="invalid_purpose",
                    values={"value": file.purpose},
                )
            files.append(file)
        return base, files

    async def _base(self, principal: Principal, name: str) -> LocalModel:
        await self._catalogue.refresh()
        card = self._catalogue.card(name, principal)
        if not card.is_for(principal, name):
            raise no_such("model", name)
        why = ""
        if not isinstance(card, LocalModel):
            where = "this server only embeds with it" if card.local else f"{card.provider} computes its answers"
            why = f"its weights aren't in this server's store: {where}"
        elif card.base is not None:
            why = f"it is fine-tuned itself: name its base, '{card.base}', with files that have all examples"
        elif not card.chat:
            why = "it has no chat template, and examples are conversations"
        if why or not isinstance(card, LocalModel):
            raise invalid(
                f"'{card.name}' can't be fine-tuned: {why}",
                param="model",
                code="model_not_available",
                values={"model": card.name},
            )
        return card

    def _source(self, new: NewJob, file: StoredFile) -> Source:
        is_training = file.id in new.training_file_ids
        return Source(file_id=file.id, path=self._files.content(file), field=_field(new, training=is_training))

    def _look(self) -> None:
        if self._new_work is not None:
            self._new_work.set()


def field_of(contract: str, *, training: bool) -> str:
    """The field of a request that names files."""
    word = "training" if training else "validation"
    return f"{word}_files" if contract == "mistral" else f"{word}_file"


def _field(new: NewJob, *, training: bool) -> str:
    return field_of(new.contract, training=training)


def _conflict(message: str, code: str) -> ApiError:
    return ApiError(409, "invalid_request_error", message, code=code)


def _too_many() -> ApiError:
    return ApiError(
        429,
        "rate_limit_error",
        f"Your organization has {MOST_OPEN} fine-tuning jobs that have not ended, the most at once",
        code="too_many_fine_tuning_jobs",
        retry_after=600,
        limit=LimitReached("fine_tuning_jobs", MOST_OPEN, remaining=0, needed=1, scope="organization"),
        values={"most": MOST_OPEN},
    )


def _require(principal: Principal) -> None:
    require(principal, "fine_tuning.use", principal.workspace_role)
