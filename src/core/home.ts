import { homedir } from 'node:os';

/** A text with `~` for the home folder, whose path names the user. */
export function withoutHome(text: string, home = homedir()): string {
  if (home.length <= 1) return text;
  // Not a folder beside it whose name begins alike.
  const escaped = home.replace(/[\\/]+$/, '').replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return text.replaceAll(new RegExp(`${escaped}(?![\\w.-])`, 'g'), '~');
}

/** A JSON text as `withoutHome`; there a backslash stands doubled. */
export const jsonWithoutHome = (json: string, home = homedir()): string =>
  withoutHome(json, JSON.stringify(home).slice(1, -1));

/** A value in whose texts paths that begin with `~` lie in the home folder of who runs this. */
export function withHome<Value>(value: Value, home = homedir()): Value {
  const reviver = (_key: string, found: unknown) =>
    typeof found === 'string'
      ? found.replace(/^(recorded:)?~(?=[\\/]|$)/, (_, prefix = '') => prefix + home)
      : found;
  return JSON.parse(JSON.stringify(value), reviver);
}
