"""MLflow as this project uses it: experiments, resumable runs, models, plots, registry.

Everything is found by tag, never by a remembered id, so that a killed process leaves nothing a
rerun cannot pick up. Writes go through the client in batches: against PostgreSQL a batch of fifty
metrics costs what a single one does.
"""
