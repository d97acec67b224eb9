import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, it } from 'vitest';
import { parseAddress } from '../../engines/endpoint/address.js';
import type { Server } from './connect.js';
import { servedSensors } from './sensors.js';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function listening(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  open.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The part of an open endpoint that tells where its server is. */
const serverAt = (url: string, id = url): Server =>
  ({ id, endpoint: { record: { url, onThisMachine: parseAddress(url).onThisMachine } } }) as Server;

const processes = ({ specs }: ReturnType<typeof servedSensors>) =>
  specs.filter(({ sensor }) => sensor === 'server-process');

const ownAddresses = Object.values(networkInterfaces()).flatMap((all) =>
  all!.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address),
);

it.runIf(process.platform === 'linux').each(['127.0.0.1', 'localhost', ...ownAddresses.slice(0, 1)])(
  'reads the process that listens behind %s of this machine',
  async (host) => {
    const port = await listening(host === 'localhost' ? '127.0.0.1' : '0.0.0.0');
    const chosen = servedSensors([serverAt(`http://${host}:${port}/v1`)], [], {});
    expect(processes(chosen)).toEqual([{ sensor: 'server-process', pid: process.pid }]);
    expect(chosen.warnings).toEqual([]);
  },
);

it.runIf(process.platform === 'linux')('says what to do where no process is behind the port', async () => {
  const port = await listening('127.0.0.1');
  for (const server of open.splice(0)) server.close();
  const { warnings } = servedSensors([serverAt(`http://127.0.0.1:${port}/v1`)], [], {});
  expect(warnings).toEqual([
    expect.objectContaining({
      code: 'server-process-unknown',
      message: expect.stringContaining('one in a container does so in its own network'),
      hint: 'Name it with --server-pid PID.',
    }),
  ]);
});

it('takes the process that is named, of one server alone', () => {
  const far = serverAt('http://192.0.2.1:8000/v1');
  expect(processes(servedSensors([far], [], { serverPid: 7 }))).toEqual([
    { sensor: 'server-process', pid: 7 },
  ]);
  expect(() => servedSensors([far, far], [], { serverPid: 7 })).toThrow(
    expect.objectContaining({ code: 'bad-option' }),
  );
});

it('looks for no process of a server elsewhere, and samples nothing of this machine beside it', () => {
  const metricsUrl = ['http://192.0.2.1:8000/metrics', 'http://127.0.0.1:9400/metrics'];
  const { specs, warnings } = servedSensors([serverAt('http://192.0.2.1:8000/v1')], 'auto', { metricsUrl });
  expect(warnings).toEqual([]);
  expect(specs).toEqual([
    { sensor: 'server-metrics', url: metricsUrl[0], replica: 0, onThisMachine: false },
    { sensor: 'server-metrics', url: metricsUrl[1], replica: 1, onThisMachine: true },
  ]);
});

it.runIf(process.platform === 'linux')(
  'numbers the processes of several servers as the servers are',
  async () => {
    const port = await listening('127.0.0.1');
    const servers = [serverAt('http://192.0.2.1:8000/v1'), serverAt(`http://127.0.0.1:${port}/v1`)];
    expect(processes(servedSensors(servers, [], {}))).toEqual([
      { sensor: 'server-process', pid: process.pid, device: 'server-1' },
    ]);
  },
);
