"""Installed, but not whole: what a module with a part in C says where its library is missing."""

raise ImportError("no client library")
