"""Which right each service requires: without it nothing is reached, neither the database nor a mail server."""

from __future__ import annotations

from inspect import Parameter, isasyncgen, iscoroutine, signature, unwrap
from typing import Any, NoReturn

import pytest

from muniment.errors import Forbidden
from muniment.services.access.principal import Principal, Right
from tests.contracts.test_services import SERVICES

_READ_PROFILES = {Right.ARCHIVE, Right.MODIFY_PROFILES}
_ADMIN: set[Right] = set()

#: Service, without `muniment.services.` → the rights of which one is enough. ADMIN is always enough.
_RIGHTS: dict[str, set[Right]] = {
    "access.audit.show_audit": _ADMIN,
    "archiving.run_slices.run_slices": {Right.PROCESS},
    "deleting.show_deletions.show_deletions": {Right.OPERATE},
    "directories.users.add_address": _ADMIN,
    "deleting.show_deletions.show_kept": {Right.OPERATE},
    "directories.users.add_user": _ADMIN,
    "directories.users.list_users": _ADMIN,
    "directories.users.remove_address": _ADMIN,
    "directories.users.remove_user": _ADMIN,
    "directories.users.rename_user": _ADMIN,
    "directories.users.set_addresses": _ADMIN,
    "doctor.check_logins.check_profile": _READ_PROFILES,
    "doctor.check_logins.check_rows": _READ_PROFILES,
    "doctor.probe_profile.probe_profile": _READ_PROFILES,
    "doctor.show_folders.show_folders": _READ_PROFILES,
    "doctor.what_if.known_pace": _READ_PROFILES,
    "doctor.what_if.what_if": _READ_PROFILES,
    "indexing.rebuild_index.begin_rebuilds": _ADMIN,
    "indexing.rebuild_index.give_up_rebuilds": _ADMIN,
    "indexing.reconcile_index.compare_indexes": _ADMIN,
    "indexing.show_index.list_problems": _ADMIN,
    "indexing.show_index.message_problems": _ADMIN,
    "indexing.show_index.retry_problems": _ADMIN,
    "indexing.show_index.show_index": {Right.OPERATE, Right.PROCESS},
    "indexing.tend_index.dispatch_index": {Right.PROCESS},
    "indexing.tend_index.work_at_index": {Right.PROCESS},
    "operating.back_up.back_up": _ADMIN,
    "operating.back_up.restore_backup": _ADMIN,
    "operating.check_health.check_broker": {Right.PROCESS},
    "operating.check_health.check_database": {Right.PROCESS},
    "operating.report_process.forget_silent_processes": {Right.PROCESS},
    "operating.report_process.report_process": {Right.PROCESS},
    "operating.reset_key.reset_key": _ADMIN,
    "operating.rotate_key.key_use": _ADMIN,
    "operating.rotate_key.prepare_key": _ADMIN,
    "operating.rotate_key.rotate_key": _ADMIN,
    "operating.seal_again.bind_passwords": _ADMIN,
    "operating.schema.apply_migrations": _ADMIN,
    "operating.schema.count_pending_migrations": _ADMIN,
    "operating.schema.create_roles": _ADMIN,
    "operating.server_limits.limit_server": _ADMIN,
    "operating.server_limits.unlimit_server": _ADMIN,
    "operating.show_governor.show_governor": {Right.OPERATE, Right.PROCESS},
    "operating.show_status.list_quarantine": {Right.OPERATE},
    "operating.show_status.show_processes": {Right.OPERATE, Right.PROCESS},
    "operating.show_status.show_status": {Right.OPERATE, Right.PROCESS},
    "operating.tend_quarantine.accept_quarantined": _ADMIN,
    "operating.tend_quarantine.export_quarantined": _ADMIN,
    "operating.tend_quarantine.retry_quarantined": {Right.ARCHIVE, Right.OPERATE},
    "operating.tend_quarantine.show_quarantined": {Right.OPERATE},
    "operating.watch_fleet.watch_fleet": {Right.PROCESS},
    "reading.show_archive.list_archives": {Right.OPERATE},
    "reading.show_archive.show_archive": _ADMIN,
    "profiles.edit_profile.edit_profile": {Right.MODIFY_PROFILES},
    "profiles.edit_profile.export_profile": _READ_PROFILES,
    "profiles.edit_profile.import_profile": {Right.MODIFY_PROFILES},
    "profiles.submit_profile.list_profiles": _READ_PROFILES,
    "profiles.submit_profile.profile_exists": _READ_PROFILES,
    "profiles.submit_profile.remove_profile": {Right.MODIFY_PROFILES},
    "profiles.submit_profile.submit_profile": {Right.MODIFY_PROFILES},
    "profiles.submit_profile.summarize_profile": _READ_PROFILES,
    "reading.export_archive.export_archive": {Right.EXPORT},
    "reading.show_message.show_message": _ADMIN,
    "reading.verify_archive.verify_archive": {Right.OPERATE},
    "runs.lifecycle.cancel_run": {Right.ARCHIVE},
    "runs.lifecycle.list_runs": {Right.ARCHIVE, Right.OPERATE},
    "runs.lifecycle.show_run": {Right.ARCHIVE, Right.OPERATE},
    "runs.lifecycle.start_due_runs": {Right.PROCESS},
    "runs.lifecycle.start_run": {Right.ARCHIVE},
    "runs.tick.pump_runs": {Right.PROCESS},
    "searching.saved_searches.find_search": _ADMIN,
    "searching.saved_searches.list_searches": _ADMIN,
    "searching.saved_searches.remove_search": _ADMIN,
    "searching.saved_searches.request_search": _ADMIN,
    "searching.saved_searches.run_requested_searches": {Right.PROCESS},
    "searching.saved_searches.save_search": _ADMIN,
    "stores.tend_stores.tend_stores": {Right.PROCESS},
}

#: Who may search depends on whose archives are searched: tests/integration/search/test_access.py.
_ELSEWHERE = {"searching.search_messages.search_messages"}


class _Reached(Exception):
    """A service went on behind the check of the rights."""


class _Tripwire:
    """Stands for every argument of a service: touching it means that the rights were enough."""

    def _reach(self, *_: Any, **__: Any) -> NoReturn:
        raise _Reached

    __getattr__ = __str__ = __iter__ = __len__ = __bool__ = __add__ = __fspath__ = __lt__ = _reach


async def _call(name: str, *rights: Right) -> None:
    function = unwrap(SERVICES[f"muniment.services.{name}"])  # tests/integration/services/test_audit.py has the rest
    principal = Principal("somebody", frozenset(rights))
    parameters = list(signature(function).parameters.values())[1:]
    arguments = [_Tripwire() for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    named = {
        one.name: _Tripwire() for one in parameters if one.kind is Parameter.KEYWORD_ONLY and one.default is one.empty
    }
    called = function(principal, *arguments, **named)
    if isasyncgen(called):
        await anext(called)
    elif iscoroutine(called):
        await called


def test_every_service_is_in_the_table() -> None:
    """A new service gets a line here, with the rights it requires."""
    assert {name.removeprefix("muniment.services.") for name in SERVICES} == {*_RIGHTS, *_ELSEWHERE}


@pytest.mark.parametrize("name", _RIGHTS)
async def test_refused_without_the_right(name: str) -> None:
    """Every other right together is not enough."""
    others = set(Right) - _RIGHTS[name] - {Right.ADMIN}

    with pytest.raises(Forbidden, match="somebody lacks the right"):
        await _call(name, *others)


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in _RIGHTS for right in sorted({*_RIGHTS[name], Right.ADMIN})]
)
async def test_each_right_is_enough(name: str, right: Right) -> None:
    """The service goes on to what it works with."""
    with pytest.raises((_Reached, TypeError)) as caught:
        await _call(name, right)

    assert "_Tripwire" in str(caught.value) or caught.type is _Reached


def test_an_archive_user_reaches_only_their_own_archive() -> None:
    """No right is needed for one's own archive; that of others, and of all, takes an administrator."""
    anna = Principal.archive_user("anna")

    anna.require_access_to("anna")
    for other in ("ben", None):
        with pytest.raises(Forbidden):
            anna.require_access_to(other)
        with pytest.raises(Forbidden):
            Principal("root", frozenset(set(Right) - {Right.ADMIN})).on_behalf_of("anna").require_access_to(other)
        Principal.administrator("root").require_access_to(other)
