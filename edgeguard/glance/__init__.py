"""A glance at a running daemon, `status` and `top`: what they need, and nothing that takes long to load.

No click, no pydantic, no numpy, no rich: under a flood both cores are busy, and what a command loads is most of the
time that a person waits for it (bench/answers.py).
"""
