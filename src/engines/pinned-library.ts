import koffi, { type LibraryHandle } from 'koffi';

/**
 * Loads the library at `file` and pins it in the process. koffi unloads a library when its handle is
 * collected or the thread that loaded it ends; threads of the library's own, and what other threads
 * share of it, would then run unmapped code. A reference of our own that nobody drops prevents that.
 */
export function loadPinned(file: string): LibraryHandle {
  const library = koffi.load(file);
  if (process.platform === 'win32')
    koffi.load('kernel32.dll').func('LoadLibraryW', 'void *', ['str16'])(file);
  else koffi.load(null).func('dlopen', 'void *', ['str', 'int'])(file, resolveLazily);
  return library;
}

/** RTLD_LAZY, which is 1 on Linux and on macOS. */
const resolveLazily = 1;
