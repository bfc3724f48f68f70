/* python.exe and pythonw.exe: the programs of CPython for Windows are no more than this around python311.dll. */
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

__declspec(dllimport) int Py_Main(int argc, wchar_t **argv);

#ifdef WITHOUT_CONSOLE
int WINAPI wWinMain(HINSTANCE instance, HINSTANCE previous, LPWSTR line, int show)
{
    (void)instance, (void)previous, (void)line, (void)show;
    return Py_Main(__argc, __wargv);
}
#else
int wmain(int argc, wchar_t **argv) { return Py_Main(argc, argv); }
#endif
