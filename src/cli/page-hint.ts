/** Says how to get the page about results that lie in these files. */
export function pageHint(paths: readonly string[]): string {
  return `For the page with charts: tokenwork report ${paths.map(shellWord).join(' ')} --out report.html`;
}

/** The line on the first screen about the rest of it. */
export function moreHint(path: string): string {
  return `More: tokenwork report ${shellWord(path)} --full; as a page: --out report.html`;
}

/** An argument as it would be typed. */
export function shellWord(argument: string): string {
  return /^[\w.,:/=@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
