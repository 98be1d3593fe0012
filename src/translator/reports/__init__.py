"""Reports of a run as files: JSON, SARIF, JUnit XML, one HTML page; all from the records of ``translator.report``."""
