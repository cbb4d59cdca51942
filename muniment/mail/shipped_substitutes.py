"""The patterns of substitutes that Muniment brings along, in the form of a file of one's own."""

from __future__ import annotations

#: TOML; `MUNIMENT_SUBSTITUTES_FILE` adds to it.
SHIPPED = """\
# Messages that a mail server makes up and delivers in place of one that it cannot deliver. Muniment archives them,
# flags them, keeps them on the server, and asks for the original again.
#
# A pattern matches if all of its criteria do. They ignore case and line breaks, and `*` stands for any text:
#   sender   the field From (or Sender), decoded
#   subject  the field Subject, decoded; without a `*` at its start, "Re:" and "Fwd:" do not match
#   body     the first text part, decoded, from its beginning
#   header   one line of the header, such as `X-Product: *value*`
#   unsent   true: the message has neither Received nor Message-ID, so nobody ever sent it
# Several values of one criterion are alternatives. Each pattern needs a sender, a subject or a header.
#
# `certain = false`: the message only stays on the server; it may be an ordinary one, or all that the server has.
# MUNIMENT_SUBSTITUTES_FILE names a file of the same form with more patterns.

[[substitute]]
name = "Exchange cannot convert the message"
sender = ["Microsoft Exchange*"]
subject = ["Retrieval using the * protocol failed for the following message*"]

[[substitute]]
name = "Exchange cannot convert the message"
sender = ["Microsoft Exchange*"]
body = [
    "The server couldn't retrieve the following message*",
    "The server could not retrieve the following message*",
]

# Other versions and languages name another sender; the text and the missing fields tell.
[[substitute]]
name = "Exchange cannot convert the message"
subject = ["Retrieval using the * protocol failed for the following message*"]
body = [
    "The server couldn't retrieve the following message*",
    "The server could not retrieve the following message*",
]
unsent = true

# In other languages, the protocol's name and the sender remain.
[[substitute]]
name = "Exchange cannot convert the message"
sender = ["Microsoft Exchange*"]
subject = ["*IMAP4*", "*POP3*"]
unsent = true

# Somebody may have redirected a substitute, or copied it.
[[substitute]]
name = "looks like Exchange's substitute for a message"
certain = false
subject = ["Retrieval using the * protocol failed for the following message*"]
body = [
    "The server couldn't retrieve the following message*",
    "The server could not retrieve the following message*",
]

[[substitute]]
name = "looks like Exchange's substitute for a message"
certain = false
subject = ["Retrieval using the * protocol failed for the following message*"]
unsent = true

# A shortcut to a message that another archive took from the server: the server has nothing else.
[[substitute]]
name = "shortcut of Enterprise Vault"
certain = false
header = ["X-*: IPM.Note.EnterpriseVault*", "Content-Class: *EnterpriseVault*"]

# The first message of a mailbox file of UW IMAP, without which the server forgets UIDs and flags.
[[substitute]]
name = "internal data of the mail server"
certain = false
sender = ["Mail System Internal Data*"]
subject = ["DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"]
"""
