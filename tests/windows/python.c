/* python.exe and pythonw.exe: the programs of CPython for Windows are no more than Py_Main of python311.dll.

   Besides, they answer one question of python311.dll in the place of Wine. Wine 8 asks a process of its own for the
   serial number of a file's volume, each time that a file is opened or looked at: 1 ms of the 1.2 ms that os.stat
   takes, and most of the time of an import. Here a process asks once, and gives that number to all files. */
#include <stdlib.h>
#include <wchar.h>

#include "imports.h"
#include <winternl.h>

__declspec(dllimport) int Py_Main(int argc, wchar_t **argv);
NTSTATUS NTAPI NtQueryInformationFile(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, FILE_INFORMATION_CLASS);

enum { BASIC = 4, STANDARD = 5, INTERNAL = 6 };

typedef struct { LARGE_INTEGER created, read, written, changed; ULONG attributes; } Basic;
typedef struct { LARGE_INTEGER allocated, size; ULONG links; BOOLEAN deleted, folder; } Standard;
typedef BOOL(WINAPI *Look)(HANDLE, BY_HANDLE_FILE_INFORMATION *);

static Look look_of_wine;
static volatile LONG serial_number;

static FILETIME time_of(LARGE_INTEGER time)
{
    FILETIME parts = {time.LowPart, (DWORD)time.HighPart};
    return parts;
}

static BOOL WINAPI look(HANDLE file, BY_HANDLE_FILE_INFORMATION *info)
{
    IO_STATUS_BLOCK status;
    Basic basic;
    Standard standard;
    LARGE_INTEGER number;

    if (!serial_number) {
        BOOL answered = look_of_wine(file, info);
        if (answered) serial_number = (LONG)info->dwVolumeSerialNumber;
        return answered;
    }
    if (NtQueryInformationFile(file, &status, &basic, sizeof(basic), BASIC) ||
        NtQueryInformationFile(file, &status, &standard, sizeof(standard), STANDARD) ||
        NtQueryInformationFile(file, &status, &number, sizeof(number), INTERNAL))
        return look_of_wine(file, info); /* which sets the error too */
    info->dwFileAttributes = basic.attributes;
    info->ftCreationTime = time_of(basic.created);
    info->ftLastAccessTime = time_of(basic.read);
    info->ftLastWriteTime = time_of(basic.written);
    info->dwVolumeSerialNumber = (DWORD)serial_number;
    info->nFileSizeHigh = (DWORD)standard.size.HighPart;
    info->nFileSizeLow = standard.size.LowPart;
    info->nNumberOfLinks = standard.links;
    info->nFileIndexHigh = (DWORD)number.HighPart;
    info->nFileIndexLow = number.LowPart;
    return TRUE;
}

static void answer_in_the_place_of_wine(void)
{
    look_of_wine = replace_import(L"python311.dll", "GetFileInformationByHandle", look);
}

#ifdef WITHOUT_CONSOLE
int WINAPI wWinMain(HINSTANCE instance, HINSTANCE previous, LPWSTR line, int show)
{
    (void)instance, (void)previous, (void)line, (void)show;
    answer_in_the_place_of_wine();
    return Py_Main(__argc, __wargv);
}
#else
int wmain(int argc, wchar_t **argv)
{
    answer_in_the_place_of_wine();
    return Py_Main(argc, argv);
}
#endif
