"""What users write: the eight kinds, one file each, and the core kinds by name (`kinds`).

`load` is the door: JSON data in, model and normal form out, or every fault at once. Both spellings become one in `spelling` alone.
The CRDs (`crd`) are generated from here. `kinds`, `columns` and `load` import no pydantic until an object is read.
"""
