"""From a patients' table and NIfTI files to checked scans and their patches."""
