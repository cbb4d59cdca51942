"""Text of attachments, read in a process of its own with limits of time and memory."""

from muniment.attachments.kinds import Kind, kind_of
from muniment.attachments.process import AttachmentReader, Reading

__all__ = ["AttachmentReader", "Kind", "Reading", "kind_of"]
