/** Says how to get the page about results that lie in these files. */
export function pageHint(paths: readonly string[]): string {
  return `For the page with charts: tokenwork report ${paths.map(shellWord).join(' ')} --out report.html`;
}

/** An argument as it would be typed. */
export function shellWord(argument: string): string {
  return /^[\w.,:/=@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
