"""Extracts text from attachments, in a separate process with time and memory limits."""

from muniment.attachments.kinds import Kind, kind_of
from muniment.attachments.process import AttachmentReader, Reading

__all__ = ["AttachmentReader", "Kind", "Reading", "kind_of"]
