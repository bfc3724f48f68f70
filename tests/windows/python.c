/* python.exe and pythonw.exe: the programs of CPython for Windows are no more than Py_Main of python311.dll.

   Besides, they answer one question of python311.dll in the place of Wine. Wine 8 asks a process of its own for the
   serial number of a file's volume, each time that a file is opened or looked at: 1 ms of the 1.2 ms that os.stat
   takes, and most of the time of an import. Here a process asks once, and gives that number to all files. */
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>
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

/* Put `look` into the table of what python311.dll imports. */
static void answer_in_the_place_of_wine(void)
{
    const char *name = "GetFileInformationByHandle";
    BYTE *dll = (BYTE *)GetModuleHandleW(L"python311.dll");
    IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(dll + ((IMAGE_DOS_HEADER *)dll)->e_lfanew);
    DWORD first = headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;

    if (!GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version")) return;
    for (IMAGE_IMPORT_DESCRIPTOR *from = (IMAGE_IMPORT_DESCRIPTOR *)(dll + first); from->Name; ++from) {
        IMAGE_THUNK_DATA *wanted = (IMAGE_THUNK_DATA *)(dll + from->OriginalFirstThunk);
        IMAGE_THUNK_DATA *found = (IMAGE_THUNK_DATA *)(dll + from->FirstThunk);
        for (; wanted->u1.AddressOfData; ++wanted, ++found) {
            DWORD protection;
            if (IMAGE_SNAP_BY_ORDINAL(wanted->u1.Ordinal) ||
                strcmp(((IMAGE_IMPORT_BY_NAME *)(dll + wanted->u1.AddressOfData))->Name, name))
                continue;
            if (!VirtualProtect(found, sizeof(*found), PAGE_READWRITE, &protection)) return;
            look_of_wine = (Look)(void *)found->u1.Function;
            found->u1.Function = (ULONGLONG)(void *)look;
            VirtualProtect(found, sizeof(*found), protection, &protection);
        }
    }
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
