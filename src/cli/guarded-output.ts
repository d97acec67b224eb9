import { printable, withoutLogCommands } from '../core/text.js';
import { terminalOf } from './terminal.js';

type Write = NodeJS.WriteStream['write'];
const unguarded = new WeakMap<NodeJS.WriteStream, Write>();

/**
 * From now on nothing that is printed steers a terminal or a log, whoever prints it: of control characters line
 * breaks, tabs and, where a stream has colours, those pass; under a service for continuous integration no command to it.
 */
export function guardOutput(): void {
  const isLogged = Boolean(process.env.GITHUB_ACTIONS || process.env.TF_BUILD);
  for (const stream of [process.stdout, process.stderr]) {
    const write: Write = stream.write.bind(stream);
    unguarded.set(stream, write);
    const { color } = terminalOf(stream);
    const guarded = (text: string | Uint8Array, ...rest: []) => {
      // What libraries print in worker threads comes as bytes.
      const shown = printable(typeof text === 'string' ? text : Buffer.from(text).toString(), { color });
      return write(isLogged ? withoutLogCommands(shown) : shown, ...rest);
    };
    stream.write = guarded as Write;
  }
}

/** Moves a terminal's cursor to the start of its line and clears that. */
export function clearTerminalLine(stream: NodeJS.WriteStream): void {
  const write: Write = unguarded.get(stream) ?? stream.write.bind(stream);
  write('\r\u001b[2K');
}
