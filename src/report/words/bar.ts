const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `part` of `room` characters, to an eighth of one. */
export function bar(part: number, room: number): string {
  const steps = Math.round(part * room * 8);
  return '█'.repeat(Math.floor(steps / 8)) + eighths[steps % 8]!;
}
