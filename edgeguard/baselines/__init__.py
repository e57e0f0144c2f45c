"""What each VM is used to: P95 by rule over seven days. It raises care and never acts. docs/baselines.md."""
