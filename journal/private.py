"""Files and folders that their user alone can read, from the moment they exist.

make_folder    makes a private folder
append_to      opens a log for appending; one that an earlier version left open to others is made private
read_from      opens a file for reading, and lets others rename and remove it meanwhile
make_private   makes an existing file or folder private
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from journal._private_windows import append_to, make_folder, make_private, read_from
else:
    from journal._private_posix import append_to, make_folder, make_private, read_from

__all__ = ["append_to", "make_folder", "make_private", "read_from"]
