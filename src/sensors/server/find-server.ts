import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { log } from '../../core/log.js';
import type { Absence } from '../absence.js';
import { refusal } from '../linux/counter-file.js';
import { parseStat } from './process-tree.js';

/** The process behind a local port. */
export interface Listener {
  pid: number;
  /** The kernel's name of it: at most 15 characters of the program's. */
  name: string;
}

/** Programs that listen for another process, by the kernel's names of them, and how to find that one. */
const forwarders: readonly { names: RegExp; hint: string }[] = [
  {
    names: /^(docker-proxy|com\.docker\.)/,
    hint: "it passes on to a container, whose process is told by: docker inspect -f '{{.State.Pid}}' NAME",
  },
  {
    names: /^(rootlessport|rootlesskit|conmon|pasta|slirp4netns|gvproxy)/,
    hint: "it passes on to a container, whose process is told by: podman inspect -f '{{.State.Pid}}' NAME",
  },
  { names: /^(kubectl|ssh|sshd|socat)/, hint: 'it passes on to another machine or process' },
  { names: /^(nginx|haproxy|envoy|traefik|caddy)/, hint: 'it is a proxy before the server' },
];

/**
 * The process that listens on a TCP port of this machine. Of several that share the socket, as workers do, the one that
 * the others descend from. `address` narrows it down where processes listen on the same port of different addresses.
 */
export function processListeningOn(port: number, address?: string, root = '/proc'): Listener | Absence {
  let sockets: ListeningSocket[];
  try {
    sockets = ['tcp', 'tcp6'].flatMap((table) => listeningSockets(`${root}/net/${table}`));
  } catch (error) {
    const { reason, message } = refusal(error);
    return { reason, hint: `Which process listens cannot be told here (${message}); try --server-pid PID` };
  }
  const onPort = sockets.filter((socket) => socket.port === port);
  const wanted = address === undefined ? null : plainAddress(address);
  // A listener of the very address gets the connection, before one of all addresses.
  const choices = [onPort.filter((socket) => socket.address === wanted), onPort.filter(onAnyAddress), onPort];
  const inodes = new Set(choices.find(({ length }) => length > 0)?.map(({ inode }) => inode));
  if (inodes.size === 0) {
    return {
      reason: 'not-applicable',
      hint: `No process of this machine listens on port ${port}; one in a container does so in its own network: try --server-pid PID`,
    };
  }
  const { pids, refused } = holdersOf(inodes, root);
  if (pids.length === 0) {
    return {
      reason: refused ? 'permission' : 'not-applicable',
      hint: `The process on port ${port} belongs to another user or container; look it up with: sudo ss -ltnp 'sport = :${port}', and give it with --server-pid PID`,
    };
  }
  const pid = eldest(pids, root);
  const name = nameOf(pid, root);
  const forwarder = forwarders.find(({ names }) => names.test(name));
  if (forwarder === undefined) return { pid, name };
  return {
    reason: 'not-applicable',
    hint: `${name} (process ${pid}) listens on port ${port}: ${forwarder.hint}; give the server's with --server-pid PID`,
  };
}

/** Whether an address or name of a URL's host is this machine; names are not resolved. */
export function isThisMachine(host: string): boolean {
  const name = plainAddress(host).toLowerCase();
  if (/(^|\.)localhost$|^127(\.\d+){3}$|^(::1?|0\.0\.0\.0)$/.test(name) || name === hostname().toLowerCase())
    return true;
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === name));
}

/** Without the brackets of a URL and a zone; an IPv4 address inside an IPv6 one as the former. */
function plainAddress(address: string): string {
  const plain = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const inner = /^::ffff:(?:([0-9a-f]{1,4}):([0-9a-f]{1,4})|([\d.]+))$/i.exec(plain);
  if (inner === null) return plain;
  if (inner[3] !== undefined) return inner[3];
  const words = [inner[1]!, inner[2]!].map((word) => Number.parseInt(word, 16));
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

interface ListeningSocket {
  address: string;
  port: number;
  inode: string;
}

const listening = '0A';
const onAnyAddress = ({ address }: ListeningSocket): boolean => address === '0.0.0.0' || address === '::';

/** Rows of /proc/net/tcp or tcp6 that listen; none where the system has no such table. Throws where it is refused. */
function listeningSockets(path: string): ListeningSocket[] {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && path.endsWith('6')) return []; // IPv6 is off.
    throw error;
  }
  return text
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === listening)
    .map((row) => {
      const [address = '', port = ''] = row[1]!.split(':');
      return { address: addressOf(address), port: Number.parseInt(port, 16), inode: row[9]! };
    });
}

/** An address as the kernel prints it: words of 32 bits, each with its lowest byte first. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => word.match(/../g)!.reverse());
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => `${bytes[2 * index]}${bytes[2 * index + 1]}`);
  // As a URL spells it, with its longest run of zeros left out.
  return plainAddress(new URL(`http://[${groups.join(':')}]`).hostname);
}

function holdersOf(inodes: ReadonlySet<string>, root: string): { pids: number[]; refused: boolean } {
  const links = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  const pids: number[] = [];
  let refused = false;
  for (const pid of readdirSync(root).filter((name) => /^\d+$/.test(name))) {
    try {
      const files = `${root}/${pid}/fd`;
      if (readdirSync(files).some((file) => links.has(linkOf(`${files}/${file}`)))) pids.push(Number(pid));
    } catch (error) {
      refused ||= refusal(error).reason === 'permission';
    }
  }
  return { pids, refused };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    log('looking for a server: %s', error);
    return ''; // Closed since it was listed.
  }
}

function eldest(pids: readonly number[], root: string): number {
  const parentOf = (pid: number) => {
    try {
      return parseStat(readFileSync(`${root}/${pid}/stat`, 'latin1')).parent;
    } catch (error) {
      log('looking for a server: %s', error);
      return 0;
    }
  };
  return pids.find((pid) => !pids.includes(parentOf(pid))) ?? pids[0]!;
}

function nameOf(pid: number, root: string): string {
  try {
    return readFileSync(`${root}/${pid}/comm`, 'utf8').trim();
  } catch (error) {
    log('looking for a server: %s', error);
    return 'a process';
  }
}
