"""Extracts text from attachments, in a separate process with time and memory limits."""

from muniment.attachments.kinds import Kind, kind_of
from muniment.attachments.patience import Patience
from muniment.attachments.process import AttachmentReader, Reading

__all__ = ["AttachmentReader", "Kind", "Patience", "Reading", "kind_of"]
