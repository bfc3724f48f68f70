/* ProcessPrng of bcryptprimitives.dll, which Codex asks for and Wine 8 lacks, over the generator that Wine has.

   Besides, the program that loads it gets each lock on a whole file that it asks for. On Windows the handle that locked
   a file may write it; Wine lets no handle write it, so that Codex could not write its `installation_id`. */
#include "imports.h"

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    return SystemFunction036(buffer, (ULONG)length);
}

static BOOL(WINAPI *lock_of_wine)(HANDLE, DWORD, DWORD, DWORD, DWORD, OVERLAPPED *);
static BOOL(WINAPI *unlock_of_wine)(HANDLE, DWORD, DWORD, DWORD, DWORD);

static BOOL WINAPI lock(HANDLE file, DWORD flags, DWORD reserved, DWORD low, DWORD high, OVERLAPPED *at)
{
    return (low & high) == MAXDWORD || lock_of_wine(file, flags, reserved, low, high, at);
}

static BOOL WINAPI unlock(HANDLE file, DWORD at_low, DWORD at_high, DWORD low, DWORD high)
{
    return (low & high) == MAXDWORD || unlock_of_wine(file, at_low, at_high, low, high);
}

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *reserved)
{
    (void)library, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        lock_of_wine = replace_import(NULL, "LockFileEx", lock);
        unlock_of_wine = replace_import(NULL, "UnlockFile", unlock);
    }
    return TRUE;
}
