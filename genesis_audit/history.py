"""Who changes what: commits, contributors, the files that change most, and those that are large as well."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.budget import TimeBudget
from genesis_audit.files import SourceFile, Tree, printable, survey
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.git import NoRepository, Repository, find_repository
from genesis_audit.inputs import whole_number
from genesis_audit.language import language_of
from genesis_audit.origin import origin_of
from genesis_audit.process import Completed

__all__ = ["run"]

_MAX_LISTED_COMMITS = 200_000
_NUMSTAT = re.compile(rb"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
_QUIET_DAYS = 365
_ENOUGH_COMMITS, _ONE_PERSONS_SHARE = 50, 0.8
_BOT = re.compile(
    r"(?i)\[bot\]|(?:^|[\s_-])(?:ro)?bot$|^(?:dependabot|renovate|greenkeeper|github[\s-]actions?|pre-commit-ci|mergify|snyk|web-flow|bors|homu)\b"
)
_NO_NAMES = frozenset(
    {"", "root", "admin", "user", "name", "your name", "unknown", "developer", "ubuntu", "me", "test"}
)
"""Names that machines are set up with: two people may well share one."""
_FIRST_NAME = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+")
"""One capitalised word: a first name, which people share, while a lower-case word is the name of an account."""
_HOSTED_ADDRESS = re.compile(r"^(?:\d+\+)?([\w.\[\]-]+)@users\.noreply\.github\.com$")
_BOT_ADDRESS = re.compile(r"(?i)(?:^|[._-])(?:ro)?bot@")
_IMPORTED = re.compile(r"@[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""What `git svn` writes behind a user's name: the id of the repository, which all of its users share."""
_ATTEMPTS = 20
"""How many commits whose contents are missing are passed over."""


@dataclass
class _Churn:
    commits: int = 0
    added: int = 0
    deleted: int = 0


@dataclass
class _Person:
    """Somebody who commits, under all names and addresses of theirs; addresses are never shown."""

    commits: int
    name: str
    is_bot: bool


def run(
    path: Annotated[object, READ_PATH] = ".",
    *,
    max_commits: Annotated[object, DATA] = 2_000,
    top: Annotated[object, DATA] = 20,
    time_limit_s: Annotated[object, DATA] = 60,
    now: Annotated[object, DATA] = None,
) -> ToolResult:
    """Read a repository's history with git, which is kept from running anything of the repository.

    Args:
        path: The folder; only what happened below it counts.
        max_commits: How many of the latest commits are read for changes to files; merges are left out.
        top: How many files and people are listed.
        time_limit_s: When git is stopped.
        now: The time from which ages count, as seconds since 1970; by default the clock's.

    Returns:
        `available`, `reason` (why not), `commits`, `contributors` (people: .mailmap, a shared name
        or a shared address join several identities), `top_contributors` and `bots` `[{name, commits}]`,
        `first_commit` and `last_commit` (ISO dates or null), `days_since_last_commit`, `commits_last_90_days`,
        `shallow`, `commits_read`, `most_changed` `[{path, commits, added, deleted, exists}]`, `hotspots` `[{path,
        commits, bytes, score}]` (of sources: commits times size, the largest 100), `truncated`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=1_000)
    bound = whole_number(max_commits, "max_commits", least=1, most=1_000_000)
    seconds = whole_number(time_limit_s, "time_limit_s", least=1, most=3_600)
    moment = datetime.now(UTC).timestamp() if now is None else float(str(now))
    tree = survey(path)
    repository = find_repository(tree.root)
    if isinstance(repository, NoRepository):
        return _unavailable(repository.reason)
    if not repository.has_commits():
        return _unavailable("the repository has no commits")
    people, times, problem = _people(repository, seconds, tree.root.name)
    churn, commits_read, churn_problem = _churn(repository, bound, seconds)
    problem = problem or churn_problem
    result = _facts(people, times, moment)
    result["shallow"] = repository.is_shallow()
    result["commits_read"] = commits_read
    result["most_changed"] = _most_changed(tree, churn, limit)
    result["hotspots"] = _hotspots(tree, churn, limit)
    result["truncated"] = bool(problem)
    result["summary"] = _summary(result)
    result["findings"] = dump(_findings(result, people, problem))
    return result


def _unavailable(reason: str) -> ToolResult:
    finding = AuditFinding(
        severity="low",
        title="There is no history to read",
        detail=f"{reason[0].upper()}{reason[1:]}.",
        advice="Audit a full clone to see who changes what.",
    )
    return {
        "available": False,
        "reason": reason,
        "commits": 0,
        "contributors": 0,
        "top_contributors": [],
        "bots": [],
        "first_commit": None,
        "last_commit": None,
        "days_since_last_commit": None,
        "commits_last_90_days": 0,
        "shallow": False,
        "commits_read": 0,
        "most_changed": [],
        "hotspots": [],
        "truncated": False,
        "summary": f"No history: {reason}.",
        "findings": dump([finding]),
    }


def _people(repository: Repository, seconds: int, project: str) -> tuple[list[_Person], list[int], str]:
    """Read every commit's author and time, and why that is not all; who made most comes first.

    Args:
        repository: Where to read.
        seconds: How long git may take.
        project: The project's name: an account of that name and `bot` is no person's.
    """
    identities: Counter[tuple[str, str]] = Counter()
    times: list[int] = []
    arguments = ("log", "-z", "--format=%aE%x1f%aN%x1f%ct", f"--max-count={_MAX_LISTED_COMMITS}", "HEAD")
    done = repository.run(*arguments, *repository.pathspec(), timeout_s=seconds)
    for record in done.stdout.decode("utf-8", "replace").split("\0"):
        rest, _, time = record.rpartition("\x1f")
        address, mark, name = rest.partition("\x1f")
        if mark and time.strip().isdecimal():
            identities[address.strip().lower(), name.strip()] += 1
            times.append(int(time))
    people = sorted(_merge_identities(identities, project), key=lambda person: (-person.commits, person.name))
    return people, times, _problem(done) or ("there are too many commits" if len(times) >= _MAX_LISTED_COMMITS else "")


def _merge_identities(identities: Counter[tuple[str, str]], project: str) -> Iterator[_Person]:
    """Join the identities that share an address or a name: a union of sets, each with its first key as its root."""
    roots: dict[str, str] = {}

    def root(key: str) -> str:
        while roots.setdefault(key, key) != key:
            key = roots[key]
        return key

    for address, name in identities:
        first, *others = _keys(address, name)
        for other in others:
            roots[root(other)] = root(first)
    groups: dict[str, Counter[str]] = {}
    addresses: dict[str, set[str]] = defaultdict(set)
    for (address, name), count in identities.items():
        group = root(_keys(address, name)[0])
        groups.setdefault(group, Counter())[name or "unknown"] += count
        addresses[group].add(address)
    for group, names in groups.items():
        shown = names.most_common(1)[0][0]
        is_bot = (
            _BOT.search(shown)
            or shown.lower() == f"{project.lower()}bot"
            or any(_BOT_ADDRESS.search(address) for address in addresses[group])
        )
        yield _Person(names.total(), shown[:100], bool(is_bot))


def _keys(address: str, name: str) -> list[str]:
    """Return what identifies an author: the address, without GitHub's number in it, and the name where it is one.

    A name that is an address counts as that address, and what `git svn` made of a user's name is no address.
    """
    hosted = _HOSTED_ADDRESS.match(address)
    called = " ".join(name.lower().split())
    written = (hosted[1] if hosted else address, called if "@" in called else "")
    keys = [f"address {each}" for each in dict.fromkeys(written) if each and not _IMPORTED.search(each)]
    is_name = called not in _NO_NAMES and "@" not in called and not _FIRST_NAME.fullmatch(name)
    keys += [f"name {called}"] if is_name else []
    return keys or [f"name {called}"]


def _churn(repository: Repository, bound: int, seconds: int) -> tuple[dict[str, _Churn], int, str]:
    """Count the changes to each file in the latest commits, how many were read, and why that is not all.

    Git stops at a commit of which the clone lacks a content; it is passed over, and reading continues behind it.
    """
    arguments = ("log", "-z", "--numstat", "--relative", "--no-merges", "-M", "--no-ext-diff", "--no-textconv")
    churn: dict[str, _Churn] = defaultdict(_Churn)
    names: dict[bytes, bytes] = {}
    budget = TimeBudget(seconds)
    place, read, problem = 0, 0, ""
    for _ in range(_ATTEMPTS):
        bounds = ("--format=%x01%H", f"--skip={place}", f"--max-count={bound - place}", "HEAD", *repository.pathspec())
        done = repository.run(*arguments, *bounds, timeout_s=max(1.0, budget.left))
        commits = _add_changes(done.stdout, churn, names)
        read += commits if done.ok else max(0, commits - 1)
        place += max(1, commits)
        problem = problem or _problem(done)
        if done.end != "exited" or done.ok or place >= bound or budget.spent:
            break
    return churn, read, problem


def _add_changes(output: bytes, churn: dict[str, _Churn], names: dict[bytes, bytes]) -> int:
    """Add what git's log says was changed, and count its commits.

    Args:
        output: Records of `git log -z --numstat`, the latest commits first.
        churn: The changes by file.
        names: What a file that was renamed is called now.
    """
    commits = 0
    records = iter(output.split(b"\0"))
    for record in records:
        text = record.lstrip(b"\n")
        if text.startswith(b"\x01"):
            commits += 1
            text = text.partition(b"\n")[2].lstrip(b"\n")
        match = _NUMSTAT.match(text)
        if not match:
            continue
        name = match[3]
        if not name:
            old, new = next(records, b""), next(records, b"")
            name = names[old] = names.get(new, new)
        change = churn[printable(names.get(name, name).decode("utf-8", "surrogateescape"))]
        change.commits += 1
        change.added += int(match[1]) if match[1].isdigit() else 0
        change.deleted += int(match[2]) if match[2].isdigit() else 0
    return commits


def _problem(done: Completed) -> str:
    """Return why git's output is incomplete; empty if it is complete."""
    if done.ok:
        return ""
    return {"timeout": "its time was over", "output_limit": "there is too much of it"}.get(
        done.end, f"git says: {done.complaint}" if done.complaint else "git failed"
    )


def _facts(people: list[_Person], times: list[int], now: float) -> ToolResult:
    last, first = max(times, default=0), min(times, default=0)
    humans = [{"name": person.name, "commits": person.commits} for person in people if not person.is_bot]
    bots = [{"name": person.name, "commits": person.commits} for person in people if person.is_bot]
    return {
        "available": True,
        "reason": "",
        "commits": len(times),
        "contributors": len(humans),
        "top_contributors": humans[:10],
        "bots": bots[:10],
        "first_commit": _date(first),
        "last_commit": _date(last),
        "days_since_last_commit": max(0, int((now - last) // 86_400)) if last else None,
        "commits_last_90_days": sum(1 for time in times if now - time <= 90 * 86_400),
    }


def _date(moment: int) -> str | None:
    try:
        return datetime.fromtimestamp(moment, UTC).date().isoformat() if moment else None
    except (OverflowError, ValueError, OSError):
        return None


def _most_changed(tree: Tree, churn: dict[str, _Churn], limit: int) -> list[ToolResult]:
    present = {file.shown for file in tree.files}
    ordered = sorted(churn.items(), key=lambda pair: (-pair[1].commits, -pair[1].added - pair[1].deleted, pair[0]))
    return [
        {"path": name, "commits": each.commits, "added": each.added, "deleted": each.deleted, "exists": name in present}
        for name, each in ordered[:limit]
    ]


def _hotspots(tree: Tree, churn: dict[str, _Churn], limit: int) -> list[ToolResult]:
    """Rank the sources that are both large and often changed, which is where defects gather (Tornhill, 2015)."""
    scored = [
        (churn[file.shown].commits * file.size, file)
        for file in tree.files
        if file.shown in churn and churn[file.shown].commits > 1
    ]
    scored.sort(key=lambda pair: (-pair[0], pair[1].path))
    written = list(islice((pair for pair in scored if _is_written(tree, pair[1])), limit))
    highest = written[0][0] if written else 0
    return [
        {
            "path": file.shown,
            "commits": churn[file.shown].commits,
            "bytes": file.size,
            "score": round(100 * score / highest, 1) if highest else 0.0,
        }
        for score, file in written
    ]


def _is_written(tree: Tree, file: SourceFile) -> bool:
    """Whether a file is a program that people of the project write."""
    language = language_of(file.path)
    return (
        language is not None
        and language.kind != "data"
        and origin_of(file.path, "") == "own"
        and origin_of(file.path, tree.text_of(file) or "") == "own"
    )


def _summary(result: ToolResult) -> str:
    commits, people = result["commits"], result["contributors"]
    if not isinstance(commits, int) or not isinstance(people, int):
        return ""
    text = f"{plural(commits, 'commit')} by {plural(people, 'contributor')}, the last on {result['last_commit']}"
    return f"{text} (shallow clone)." if result["shallow"] else f"{text}."


def _findings(result: ToolResult, people: list[_Person], problem: str) -> Iterator[AuditFinding]:
    if result["shallow"]:
        yield AuditFinding(
            severity="low",
            title="The clone is shallow, so its history is incomplete",
            detail=f"It holds {plural(sum(person.commits for person in people), 'commit')}.",
            advice="Run `git fetch --unshallow` and audit again to see the whole history.",
        )
    if problem:
        yield AuditFinding(
            severity="low",
            title="The history could be read in part only",
            detail=f"{problem[0].upper()}{problem[1:]}. The changes of {result['commits_read']:,} commits were read.",
            advice="Run `git fsck` where git fails; else give a larger time_limit_s or a smaller max_commits.",
        )
    days = result["days_since_last_commit"]
    if isinstance(days, int) and days > _QUIET_DAYS:
        yield AuditFinding(
            severity="medium",
            title=f"Nothing was committed for {plural(days, 'day')}",
            detail=f"The last commit is of {result['last_commit']}.",
            advice="Find out whether anybody maintains it before depending on it.",
        )
    humans = [person for person in people if not person.is_bot]
    total = sum(person.commits for person in humans)
    if total >= _ENOUGH_COMMITS and not result["shallow"] and humans[0].commits / total > _ONE_PERSONS_SHARE:
        yield AuditFinding(
            severity="low",
            title=f"One person made {100 * humans[0].commits // total} % of the commits",
            detail=f"{humans[0].name} made {humans[0].commits:,} of {total:,}, those of bots left out.",
            advice="Let a second person review and change the parts that matter most.",
        )
