/* Answer a function in the place of Wine: put another one into the table of what a module imports. */
#include <string.h>
#include <windows.h>

/* Return what stood there; NULL where the module does not import the function, and on Windows itself. */
static void *replace_import(const wchar_t *module, const char *name, void *replacement)
{
    BYTE *base = (BYTE *)GetModuleHandleW(module);
    IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
    DWORD first = headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;

    if (!GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version")) return NULL;
    for (IMAGE_IMPORT_DESCRIPTOR *from = (IMAGE_IMPORT_DESCRIPTOR *)(base + first); from->Name; ++from) {
        IMAGE_THUNK_DATA *wanted = (IMAGE_THUNK_DATA *)(base + from->OriginalFirstThunk);
        IMAGE_THUNK_DATA *entry = (IMAGE_THUNK_DATA *)(base + from->FirstThunk);
        for (; wanted->u1.AddressOfData; ++wanted, ++entry) {
            DWORD protection;
            void *former = (void *)entry->u1.Function;
            if (IMAGE_SNAP_BY_ORDINAL(wanted->u1.Ordinal) ||
                strcmp((char *)((IMAGE_IMPORT_BY_NAME *)(base + wanted->u1.AddressOfData))->Name, name))
                continue;
            if (!VirtualProtect(entry, sizeof(*entry), PAGE_READWRITE, &protection)) return NULL;
            entry->u1.Function = (ULONGLONG)replacement;
            VirtualProtect(entry, sizeof(*entry), protection, &protection);
            return former;
        }
    }
    return NULL;
}
