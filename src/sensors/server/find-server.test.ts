import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isThisMachine, processListeningOn } from './find-server.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tokenwork-find-'));
  mkdirSync(join(root, 'net'));
});
afterEach(() => rmSync(root, { recursive: true }));

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (address: string, state: string, inode: number) =>
  `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 100 0 0 10 0\n`;

function show(pid: number, name: string, parent: number, inodes: readonly number[]): void {
  mkdirSync(join(root, `${pid}/fd`), { recursive: true });
  writeFileSync(join(root, `${pid}/comm`), `${name}\n`);
  writeFileSync(
    join(root, `${pid}/stat`),
    `${pid} (${name}) S ${parent} 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 9 1 1\n`,
  );
  symlinkSync('/dev/null', join(root, `${pid}/fd/0`));
  for (const inode of inodes) symlinkSync(`socket:[${inode}]`, join(root, `${pid}/fd/${inode}`));
}

const listen = (tcp: string, tcp6?: string) => {
  writeFileSync(join(root, 'net/tcp'), head + tcp);
  if (tcp6 !== undefined) writeFileSync(join(root, 'net/tcp6'), head + tcp6);
};

describe('processListeningOn', () => {
  // 0x1F40 is 8000.
  it('finds the process by the inode of its socket', () => {
    listen(row('0100007F:1F40', '0A', 77) + row('0100007F:1F41', '0A', 78));
    show(12, 'vllm', 1, [77]);
    show(13, 'other', 1, [78]);
    expect(processListeningOn(8000, undefined, root)).toEqual({ pid: 12, name: 'vllm' });
  });

  it('takes connections for no listeners', () => {
    listen(row('0100007F:1F40', '01', 77));
    show(12, 'client', 1, [77]);
    expect(processListeningOn(8000, undefined, root)).toMatchObject({ reason: 'not-applicable' });
  });

  it('tells listeners of several addresses apart', () => {
    // 127.0.0.2, and fd00::1 as four words with their lowest byte first.
    listen(
      row('0200007F:1F40', '0A', 1) + row('00000000:1F40', '0A', 2),
      row('000000FD000000000000000001000000:1F40', '0A', 3) +
        row('0000000000000000FFFF00000300007F:1F40', '0A', 4),
    );
    for (const inode of [1, 2, 3, 4]) show(100 + inode, 'server', 1, [inode]);
    const found = (address: string) => processListeningOn(8000, address, root);
    expect(found('127.0.0.2')).toMatchObject({ pid: 101 });
    expect(found('[fd00::1]')).toMatchObject({ pid: 103 });
    expect(found('127.0.0.3')).toMatchObject({ pid: 104 });
    expect(found('0.0.0.0')).toMatchObject({ pid: 102 });
    expect(found('192.0.2.9')).toMatchObject({ pid: 102 });
  });

  it('takes the process from which the others descend that share its socket', () => {
    listen(row('00000000:1F40', '0A', 77));
    show(12, 'worker', 30, [77]);
    show(30, 'server', 1, [77]);
    expect(processListeningOn(8000, undefined, root)).toEqual({ pid: 30, name: 'server' });
  });

  it.each([
    ['docker-proxy', 'docker inspect'],
    ['nginx', 'a proxy before the server'],
    ['ssh', 'another machine'],
  ])('says that %s stands before the server', (name, hint) => {
    listen(row('00000000:1F40', '0A', 77));
    show(12, name, 1, [77]);
    const found = processListeningOn(8000, undefined, root);
    expect(found).toMatchObject({ reason: 'not-applicable', hint: expect.stringContaining(hint) });
    expect(found).toMatchObject({ hint: expect.stringContaining('--server-pid PID') });
  });

  it("asks for the process's id where its files are hidden", () => {
    listen(row('00000000:1F40', '0A', 77));
    show(12, 'other', 1, []);
    expect(processListeningOn(8000, undefined, root)).toMatchObject({
      hint: expect.stringMatching(/another user or container.*--server-pid PID/),
    });
  });

  it('says where there is nothing to look into', () => {
    expect(processListeningOn(8000, undefined, root)).toMatchObject({
      reason: 'unsupported',
      hint: expect.stringContaining('--server-pid PID'),
    });
  });

  it.runIf(process.platform === 'linux')('finds this process', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(processListeningOn(port, '127.0.0.1')).toMatchObject({ pid: process.pid });
    await new Promise((resolve) => server.close(resolve));
    expect(processListeningOn(port)).toMatchObject({ reason: 'not-applicable' });
  });
});

describe('isThisMachine', () => {
  it.each([
    'localhost',
    'LOCALHOST',
    'api.localhost',
    '127.0.0.1',
    '127.1.2.3',
    '[::1]',
    '::ffff:127.0.0.1',
    '[::ffff:7f00:1]',
  ])('knows %s', (host) => expect(isThisMachine(host)).toBe(true));

  it('knows its name and its addresses', () => {
    expect(isThisMachine(hostname())).toBe(true);
    const addresses = Object.values(networkInterfaces()).flatMap((all) =>
      all!.map(({ address }) => (address.includes(':') ? `[${address}]` : address)),
    );
    expect(addresses.filter((address) => !isThisMachine(address))).toEqual([]);
  });

  it.each(['192.0.2.1', '[2001:db8::1]', 'example.com', 'localhost.example.com', '127.example.com'])(
    'takes %s for another',
    (host) => expect(isThisMachine(host)).toBe(false),
  );
});
