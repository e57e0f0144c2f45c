"""Replies to our mails: from the bytes of a mail to what it says and which case it may belong to."""
