import { once } from 'node:events';
import picocolors from 'picocolors';

const widthWithoutTerminal = 120;

/** Width and colour of a stream, with COLUMNS, NO_COLOR and FORCE_COLOR heeded. */
export function terminalOf(stream: NodeJS.WriteStream): { width: number; color: boolean } {
  const columns = Number(process.env.COLUMNS);
  return {
    width: columns > 0 ? columns : (stream.columns ?? widthWithoutTerminal),
    color: picocolors.isColorSupported,
  };
}

/** Writes data to stdout and waits until it is out: a pipe takes a large result in pieces. */
export async function printData(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
