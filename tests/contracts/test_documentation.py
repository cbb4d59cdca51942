"""The documentation as a whole: no broken link, no page that nobody finds, no path or command that does not exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from muniment.cli.program import root

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "index.md"
THIS = Path(__file__).resolve()
KINDS = {"tutorial", "how-to", "reference", "explanation", "decisions"}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]

_FENCE = re.compile(r"^[ ]*(```+)(\w*)\n(.*?)^[ ]*\1[ ]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
#: A file of the repository, as a page names it: with a folder, or with a suffix that only files have.
_PATH = re.compile(r"`((?:muniment|workers|scheduler|deploy|docs|tests|tools|bench)/[\w./@-]*)`")
_OPTION = re.compile(r"--[a-z][a-z-]*")
#: A command line, perhaps by its full path, with variables before it, or in a container.
_COMMAND = re.compile(r"\s*(?:docker compose run .* cli|(?:.*/bin/|(?:[A-Z_]+=\S+ )*)muniment)\s+(.+)$")
#: A page, as code names it; decision records often by their number alone.
_PAGE = re.compile(r"docs/(?:[\w-]+/)*[\w-]+(?:\.md)?")
_CODE_SUFFIXES = {".py", ".sql", ".lua", ".yml", ".sh", ".service", ".env", ".example"}
#: What comes into being at the user's.
_MADE = ("bench/results/", "deploy/secrets/")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each relative link names a file of the repository, and each anchor a heading of that page."""
    assert [link for link in links(page) if not resolves(page, link)] == []


def test_every_page_is_reachable_from_the_index() -> None:
    """Whoever starts at docs/index.md finds every page by following links."""
    reached: set[Path] = set()
    waiting = [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [target(page, link) for link in links(page)]

    assert [page.relative_to(ROOT).as_posix() for page in PAGES if page not in reached] == ["README.md"]


def test_every_page_is_of_one_kind() -> None:
    """Under docs/ stand the index and a folder for each kind of page, nothing else."""
    assert {path.name for path in (ROOT / "docs").iterdir()} == KINDS | {"index.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_named_file_exists(page: Path) -> None:
    """A path in code type is one of this repository."""
    named = _PATH.findall(_FENCE.sub("", page.read_text()))

    assert [path for path in named if not path_exists(path)] == []


@pytest.mark.parametrize("folder", ["muniment", "workers", "scheduler", "deploy", "tests", "tools", "bench"])
def test_every_page_that_code_names_exists(folder: str) -> None:
    """A comment, a hint or an option's help that names a page, or the number of a decision record, names a real one."""
    files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in _CODE_SUFFIXES and path != THIS]
    named = {(path.name, page) for path in files for page in _PAGE.findall(path.read_text())}

    assert files
    assert [(name, page) for name, page in sorted(named) if not page_exists(page)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_is_a_command_that_exists(page: Path) -> None:
    """Each `muniment` command in an example is one, and has the options that it is given."""
    assert [line for line in examples(page) if unknown_in(line)] == []


def test_the_checks_look_at_something() -> None:
    """Links, anchors, paths and commands are found where they are, and wrong ones are noticed."""
    assert len([link for page in PAGES for link in links(page)]) > 100
    assert len([line for page in PAGES for line in examples(page)]) > 50
    assert not resolves(INDEX, "no-such-page.md")
    assert not resolves(INDEX, "reference/cli.md#no-such-heading")
    assert resolves(INDEX, "reference/cli.md#exit-codes")
    assert unknown_in("muniment profile run office --no-such-option")
    assert unknown_in("muniment no-such-command")
    assert not unknown_in("muniment profile run office --wait")
    assert not path_exists("muniment/no_such_module.py")
    assert not page_exists("docs/search.md")
    assert page_exists("docs/decisions/0003")


def links(page: Path) -> list[str]:
    """Return the relative links of a page, outside of code."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text()))
    return [link for link in _LINK.findall(text) if "://" not in link]


def target(page: Path, link: str) -> Path:
    """Return the file that a link names; a bare anchor means the page itself."""
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


def resolves(page: Path, link: str) -> bool:
    """Tell whether a link's file exists and has the heading that its anchor names."""
    file, anchor = target(page, link), link.partition("#")[2]
    return file.exists() and (not anchor or anchor in anchors(file))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub and GitLab make them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def path_exists(path: str) -> bool:
    """Tell whether the repository has this file or folder, or makes it."""
    return path.startswith(_MADE) or (ROOT / path).exists()


def page_exists(page: str) -> bool:
    """Tell whether there is such a page, or one whose name begins with it, as for numbers of decision records."""
    return (ROOT / page).exists() or any((ROOT / page).parent.glob(f"{Path(page).name}-*.md"))


def examples(page: Path) -> Iterator[str]:
    """Yield the `muniment` commands of a page's shell examples, continued lines joined."""
    for _, language, body in _FENCE.findall(page.read_text()):
        for line in body.replace("\\\n", " ").splitlines() if language == "sh" else ():
            if found := _COMMAND.match(line):
                yield f"muniment {found[1]}"


def unknown_in(line: str) -> bool:
    """Tell whether a command line names a command or an option that Muniment does not have."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = root
    context = click.Context(root)
    for word in words:
        if not isinstance(command, click.Group):
            break
        if word.startswith("-"):
            continue
        found = command.get_command(context, word)
        if found is None:
            return True
        command = found
    # Not `get_params`: click keeps the help option that the first context asked for, and the generated page shows it.
    known = {"--help"} | {option for one in (root, command) for parameter in one.params for option in parameter.opts}
    before_end = words[: words.index("--")] if "--" in words else words
    return any(word.partition("=")[0] not in known for word in before_end if _OPTION.match(word))
