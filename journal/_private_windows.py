"""Access lists (DACLs) of Windows: files and folders that their user alone can read, from the moment they exist.

The user has all rights, and so have SYSTEM and Administrators, as in the user's own profile and as OpenSSH asks of a
private key: antivirus and backup programs run as these two, and each of them can take any file of the machine anyway.
The list is protected: no right of the folder above is inherited. A folder's own list is inherited by all in it.

A drive that keeps no access lists (FAT, exFAT, some shares) ignores all of this, as Windows does.
"""

from __future__ import annotations

import ctypes
import errno
import msvcrt
import os
import struct
import sys
from ctypes import wintypes
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from journal import _win32

assert sys.platform == "win32"  # noqa: S101  for mypy, which checks this file for Windows alone

DELETE, WRITE_DAC = 0x00010000, 0x00040000
APPEND_DATA, READ_ATTRIBUTES, SYNCHRONIZE = 0x4, 0x80, 0x00100000
GENERIC_READ = 0x80000000
SHARE_ALL = 0x7  # others may read, write, rename and remove the file while it is open
OPEN_EXISTING, OPEN_ALWAYS = 3, 4
ATTRIBUTE_NORMAL, BACKUP_SEMANTICS, OPEN_LINK_ITSELF = 0x80, 0x02000000, 0x00200000
ACCESS_DENIED = 5
INVALID_HANDLE = ctypes.c_void_p(-1).value

_OWNER_AND_DACL, _DACL = 0x1 | 0x4, 0x4
_PROTECTED_DACL = 0x80000000 | _DACL
_SELF_RELATIVE, _HAS_LIST, _IS_PROTECTED, _INHERITS = 0x8000, 0x4, 0x1000, 0x0100 | 0x0400  # control bits
_TOKEN_QUERY, _TOKEN_USER = 0x8, 1
_SDDL_REVISION = 1


@cache
def _library(name: str) -> Any:
    return ctypes.WinDLL(name, use_last_error=True)


def error_of(path: Path | str, code: int | None = None) -> OSError:
    """Return the error of the call that has just failed, or of a code, for a path."""
    code = ctypes.get_last_error() if code is None else code
    return OSError(0, ctypes.FormatError(code), str(path), code)


def private_sddl(user: str, *, folder: bool) -> str:
    """Return the access list of a private file or folder in the Security Descriptor Definition Language."""
    inherited = "OICI" if folder else ""
    return "D:P" + "".join(f"(A;{inherited};FA;;;{who})" for who in (user, "SY", "BA"))


@cache
def user_sid() -> str:
    """Return the SID of the user of this process."""
    advapi, kernel = _library("advapi32"), _library("kernel32")
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    advapi.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
    token = wintypes.HANDLE()
    if not advapi.OpenProcessToken(kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise error_of("")
    try:
        size = wintypes.DWORD()
        query = advapi.GetTokenInformation
        query.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p]
        query(token, _TOKEN_USER, None, 0, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        if not query(token, _TOKEN_USER, buffer, size, ctypes.byref(size)):
            raise error_of("")
    finally:
        close(token)
    text = wintypes.LPWSTR()
    advapi.ConvertSidToStringSidW.argtypes = [ctypes.c_void_p, ctypes.POINTER(wintypes.LPWSTR)]
    if not advapi.ConvertSidToStringSidW(ctypes.c_void_p.from_buffer(buffer), ctypes.byref(text)):
        raise error_of("")
    sid = str(text.value)
    kernel.LocalFree.argtypes = [ctypes.c_void_p]
    kernel.LocalFree(text)
    return sid


def descriptor_of(sddl: str) -> ctypes.c_void_p:
    """Return a security descriptor from its text; the caller never frees it."""
    convert = _library("advapi32").ConvertStringSecurityDescriptorToSecurityDescriptorW
    convert.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p]
    descriptor = ctypes.c_void_p()
    if not convert(sddl, _SDDL_REVISION, ctypes.byref(descriptor), None):
        raise error_of(sddl)
    return descriptor


@cache
def attributes(*, folder: bool = False) -> _win32.FileSecurity:
    """Return the attributes with which a private file or folder is made; made once per process."""
    descriptor = descriptor_of(private_sddl(user_sid(), folder=folder))
    return _win32.FileSecurity(ctypes.sizeof(_win32.FileSecurity), descriptor, False)


def open_handle(path: Path | str, access: int, disposition: int, flags: int, *, private: bool = False) -> int:
    """Call CreateFileW, sharing the file with everybody; `private` is for a file that the call makes."""
    create = _library("kernel32").CreateFileW
    create.restype = wintypes.HANDLE
    create.argtypes = [
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    ]
    security = ctypes.byref(attributes()) if private else None
    handle = create(str(path), access, SHARE_ALL, security, disposition, flags, None)
    if handle is None or handle == INVALID_HANDLE:
        raise error_of(path)
    return int(handle)


def close(handle: Any) -> None:
    """Close a handle."""
    function = _library("kernel32").CloseHandle
    function.argtypes = [wintypes.HANDLE]
    function(handle)


def make_folder(path: Path) -> None:
    """Make a private folder. Raises OSError, as mkdir does."""
    create = _library("kernel32").CreateDirectoryW
    create.argtypes = [wintypes.LPCWSTR, ctypes.c_void_p]
    if not create(str(path), ctypes.byref(attributes(folder=True))):
        raise error_of(path)


def append_to(path: Path) -> int:
    """Open a log for appending, making a missing one, and make it private; return its descriptor."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    access = APPEND_DATA | READ_ATTRIBUTES | SYNCHRONIZE  # without WRITE_DATA, every write goes to the end
    try:
        handle = open_handle(path, access | WRITE_DAC, OPEN_ALWAYS, ATTRIBUTE_NORMAL, private=True)
    except PermissionError as error:
        if error.winerror != ACCESS_DENIED:
            raise
        # a file whose rights this user may not change; doctor names it
        handle = open_handle(path, access, OPEN_ALWAYS, ATTRIBUTE_NORMAL, private=True)
    else:
        _set(handle, attributes().descriptor)
    return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_APPEND | os.O_NOINHERIT)


def read_from(path: Path) -> BinaryIO:
    """Open a file for reading, sharing it with everybody. Raises OSError with the code of Windows.

    `open` of Python shares no deletion, so it would keep others from renaming their file, and hides why it failed.
    """
    handle = open_handle(path, GENERIC_READ, OPEN_EXISTING, ATTRIBUTE_NORMAL)
    return os.fdopen(msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_NOINHERIT), "rb")


def make_private(path: Path) -> None:
    """Make an existing file or folder private, not what it links to. Raises OSError."""
    set_access(path, attributes(folder=path.is_dir()).descriptor)


def set_access(path: Path, descriptor: Any) -> None:
    """Give a file or folder the access list of a security descriptor. Raises OSError."""
    handle = open_handle(path, WRITE_DAC, OPEN_EXISTING, BACKUP_SEMANTICS | OPEN_LINK_ITSELF)
    try:
        if not _set(handle, descriptor):
            raise error_of(path)
    finally:
        close(handle)


def _set(handle: int, descriptor: Any, parts: int = _PROTECTED_DACL) -> bool:
    function = _library("advapi32").SetKernelObjectSecurity
    function.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p]
    return bool(function(handle, parts, descriptor))


def read_descriptor(path: Path) -> bytes:
    """Return owner and access list of a file or folder as a self-relative security descriptor. Raises OSError."""
    read = _library("advapi32").GetFileSecurityW
    read.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p]
    size = wintypes.DWORD()
    read(str(path), _OWNER_AND_DACL, None, 0, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not read(str(path), _OWNER_AND_DACL, buffer, size, ctypes.byref(size)):
        raise error_of(path)
    return buffer.raw[: size.value]


def access_list(path: Path) -> bytes:
    """Return the access list of a file: "P" where it inherits nothing, else "-", and its entries. Raises OSError."""
    descriptor = read_descriptor(path)
    control, start = struct.unpack_from("<H", descriptor, 2)[0], struct.unpack_from("<I", descriptor, 16)[0]
    size = struct.unpack_from("<H", descriptor, start + 2)[0] if start else 0
    return (b"P" if control & _IS_PROTECTED else b"-") + descriptor[start : start + size]


def set_access_list(handle: int, value: bytes) -> None:
    """Give an open file the access list that `access_list` returned. Raises OSError."""
    protected, entries = value[:1] == b"P", value[1:]
    control = _SELF_RELATIVE | _HAS_LIST | (_IS_PROTECTED if protected else _INHERITS)
    descriptor = struct.pack("<BBHIIII", 1, 0, control, 0, 0, 0, 20 if entries else 0) + entries
    if not _set(handle, descriptor, _PROTECTED_DACL if protected else _DACL):
        raise error_of("")
