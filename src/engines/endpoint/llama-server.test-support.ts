/** llama.cpp's own server with a model of 260,000 parameters, on one thread of this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';

export interface LlamaServer {
  readonly origin: string;
  /** `origin` and `/v1`. */
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

const script = fileURLToPath(new URL('../../../scripts/llama-tools.sh', import.meta.url));
const tools = spawnSync(script, ['--no-install'], { encoding: 'utf8' }).stdout.trim();

/** Why no llama-server can be started here, or null. Show it in the name of the tests that are skipped for it. */
export const lacksLlamaServer = !tools
  ? 'scripts/llama-tools.sh was not run'
  : lacksShared
    ? 'there is no ../shared'
    : null;

/** Starts it and waits until it is ready; the whole takes a second or two. `args` go beside or over the usual ones. */
export async function llamaServer(args: readonly string[] = []): Promise<LlamaServer> {
  const port = await freePort();
  const model = sharedPath('models', 'stories260K', 'stories260K.gguf');
  const usual = [
    '-m',
    model,
    '--host',
    '127.0.0.1',
    '--port',
    `${port}`,
    '--metrics',
    '-t',
    '1',
    '-c',
    '2048',
  ];
  const server = spawn(`${tools}/llama-server`, [...usual, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-4000);
  });
  const close = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 300 && server.exitCode === null; tries++) {
    const healthy = await fetch(`${origin}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (healthy) return { origin, url: `${origin}/v1`, pid: server.pid!, close };
    await pause(50);
  }
  await close();
  throw new Error(`llama-server did not start:\n${said}`);
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
