"""Every service is audited, or this table says why it is not."""

from __future__ import annotations

from inspect import signature

import pytest

from muniment.services.access.audit import Action, audit_of
from tests.contracts.test_services import SERVICES

#: Service, without `muniment.services.` → what the audit log calls it. Changes, and whatever reads mail, mailboxes or
#: what people do with them.
AUDITED: dict[str, Action] = {
    "access.audit.show_audit": Action.AUDIT_READ,
    "deleting.show_deletions.show_kept": Action.KEPT_LISTED,
    "deleting.show_deletions.show_deletions": Action.DELETIONS_LISTED,
    "directories.users.add_address": Action.USER_CHANGED,
    "directories.users.add_user": Action.USER_ADDED,
    "directories.users.remove_address": Action.USER_CHANGED,
    "directories.users.remove_user": Action.USER_REMOVED,
    "directories.users.rename_user": Action.USER_CHANGED,
    "directories.users.set_addresses": Action.USER_CHANGED,
    "doctor.check_logins.check_profile": Action.PROFILE_TESTED,
    "doctor.check_logins.check_rows": Action.PROFILE_TESTED,
    "doctor.probe_profile.probe_profile": Action.PROFILE_TESTED,
    "doctor.show_folders.show_folders": Action.FOLDERS_LISTED,
    "doctor.what_if.what_if": Action.FORECAST_MADE,
    "indexing.rebuild_index.begin_rebuilds": Action.INDEX_REBUILT,
    "indexing.rebuild_index.give_up_rebuilds": Action.INDEX_REBUILD_GIVEN_UP,
    "indexing.reconcile_index.compare_indexes": Action.INDEX_COMPARED,
    "indexing.show_index.list_problems": Action.INDEX_PROBLEMS_LISTED,
    "indexing.show_index.retry_problems": Action.INDEX_RETRIED,
    "operating.back_up.back_up": Action.BACKED_UP,
    "operating.back_up.restore_backup": Action.RESTORED,
    "operating.reset_key.reset_key": Action.KEY_RESET,
    "operating.schema.apply_migrations": Action.MIGRATED,
    "operating.schema.create_roles": Action.ROLES_CREATED,
    "operating.rotate_key.prepare_key": Action.KEY_PREPARED,
    "operating.rotate_key.rotate_key": Action.KEY_ROTATED,
    "operating.server_limits.limit_server": Action.SERVER_LIMITED,
    "operating.server_limits.unlimit_server": Action.SERVER_UNLIMITED,
    "operating.show_status.list_quarantine": Action.QUARANTINE_LISTED,
    "operating.tend_quarantine.accept_quarantined": Action.QUARANTINE_ACCEPTED,
    "operating.tend_quarantine.export_quarantined": Action.QUARANTINE_EXPORTED,
    "operating.tend_quarantine.retry_quarantined": Action.QUARANTINE_RETRIED,
    "operating.tend_quarantine.show_quarantined": Action.QUARANTINE_SHOWN,
    "profiles.edit_profile.edit_profile": Action.PROFILE_SUBMITTED,
    "profiles.edit_profile.import_profile": Action.PROFILE_SUBMITTED,
    "profiles.submit_profile.remove_profile": Action.PROFILE_REMOVED,
    "profiles.submit_profile.submit_profile": Action.PROFILE_SUBMITTED,
    "reading.export_archive.export_archive": Action.ARCHIVE_EXPORTED,
    "reading.show_archive.show_archive": Action.ARCHIVE_SHOWN,
    "reading.show_message.show_message": Action.MESSAGE_SHOWN,
    "reading.verify_archive.verify_archive": Action.ARCHIVE_VERIFIED,
    "runs.lifecycle.cancel_run": Action.RUN_CANCELLED,
    "runs.lifecycle.start_run": Action.RUN_STARTED,
    "searching.saved_searches.find_search": Action.SEARCHES_LISTED,
    "searching.saved_searches.list_searches": Action.SEARCHES_LISTED,
    "searching.saved_searches.remove_search": Action.SEARCH_REMOVED,
    "searching.saved_searches.request_search": Action.SEARCH_REQUESTED,
    "searching.saved_searches.save_search": Action.SEARCH_SAVED,
    "searching.search_messages.search_messages": Action.ARCHIVE_SEARCHED,
}

_NUMBERS = "shows numbers and states, neither mail nor what people do with it"
_WORK = "the work that a recorded act asked for, many times a second; the tables themselves record it"
_STARTS_RUNS = "records `run started` for each run that it starts"
_NAMES = "lists names and addresses that the configuration consists of"

#: Service → why nothing is recorded.
NOT_AUDITED: dict[str, str] = {
    "archiving.run_slices.run_slices": _WORK,
    "directories.users.list_users": _NAMES,
    "doctor.what_if.known_pace": _NUMBERS,
    "indexing.show_index.message_problems": "is part of `message`, which is recorded",
    "indexing.show_index.show_index": _NUMBERS,
    "indexing.tend_index.dispatch_index": _WORK,
    "indexing.tend_index.work_at_index": _WORK,
    "operating.check_health.check_broker": _NUMBERS,
    "operating.check_health.check_database": _NUMBERS,
    "operating.report_process.forget_silent_processes": _WORK,
    "operating.report_process.report_process": _WORK,
    "operating.schema.count_pending_migrations": _NUMBERS,
    "operating.rotate_key.key_use": _NUMBERS,
    "operating.seal_again.bind_passwords": "records `passwords bound` itself, if it did anything; each start calls it",
    "operating.show_governor.show_governor": _NUMBERS,
    "operating.show_status.show_processes": _NUMBERS,
    "operating.show_status.show_status": _NUMBERS,
    "operating.watch_fleet.watch_fleet": _NUMBERS,
    "profiles.edit_profile.export_profile": "shows settings, without secrets",
    "profiles.submit_profile.list_profiles": _NAMES,
    "profiles.submit_profile.profile_exists": _NAMES,
    "profiles.submit_profile.summarize_profile": _NAMES,
    "reading.show_archive.list_archives": _NUMBERS,
    "runs.lifecycle.list_runs": _NUMBERS,
    "runs.lifecycle.show_run": _NUMBERS,
    "runs.lifecycle.start_due_runs": _STARTS_RUNS,
    "runs.tick.pump_runs": _WORK,
    "searching.saved_searches.run_requested_searches": "`search requested` is the act; its user is the reader",
    "stores.tend_stores.tend_stores": _WORK,
}


def test_every_service_is_in_one_of_the_tables() -> None:
    """A new service gets `@audited(Action.…)` and a line in AUDITED, or a line in NOT_AUDITED with the reason."""
    assert not AUDITED.keys() & NOT_AUDITED.keys()
    assert {name.removeprefix("muniment.services.") for name in SERVICES} == AUDITED.keys() | NOT_AUDITED.keys()


@pytest.mark.parametrize("name", AUDITED)
def test_audited_service_records_its_action(name: str) -> None:
    """The service has the decorator with the action of the table, and what it names are its own arguments."""
    service = SERVICES[f"muniment.services.{name}"]
    how = audit_of(service)

    assert how is not None, "decorate it with @audited(Action.…)"
    assert how.action is AUDITED[name]
    named = {path.partition(".")[0] for path in (how.subject, *how.details) if path}
    assert named <= signature(service).parameters.keys()


@pytest.mark.parametrize("name", NOT_AUDITED)
def test_what_is_not_audited_has_no_decorator(name: str) -> None:
    """The table of reasons is up to date."""
    assert audit_of(SERVICES[f"muniment.services.{name}"]) is None
