"""Compared pipelines, studies, statistics and reports: the command line `multiparty`."""
