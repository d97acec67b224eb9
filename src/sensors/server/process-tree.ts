/**
 * sensors/server/ reads what a model's server uses: the CPU time and memory of its processes on this machine, and the
 * metrics that it shows over HTTP from any.
 */

import { readdirSync } from 'node:fs';
import { log } from '../../core/log.js';
import type { Bytes, Nanoseconds } from '../../core/units.js';
import { type CounterFile, openCounterFile, tryCounterFile } from '../linux/counter-file.js';
import { statusBytes } from '../linux/memory.js';
import { tickNs } from '../linux/system-cpu.js';

/** Figures of /proc/PID/stat (proc(5)). */
export interface ProcessStat {
  /** `Z` is a process that has ended and was not waited for yet. */
  state: string;
  parent: number;
  /** User and system time of its threads, in steps of 10 ms. */
  ownNs: Nanoseconds;
  /** The same of its children that have ended and were waited for, with theirs. */
  reapedNs: Nanoseconds;
}

/** Throws for anything but the line of /proc/PID/stat. */
export function parseStat(text: string): ProcessStat {
  // The name, in brackets, may hold spaces and brackets itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, own, reaped] = [
    fields[0]!,
    Number(fields[1]),
    Number(fields[11]) + Number(fields[12]),
    Number(fields[13]) + Number(fields[14]),
  ];
  if (![parent, own, reaped].every(Number.isFinite))
    throw new Error(`no process's stat: ${text.slice(0, 80)}`);
  return { state, parent, ownNs: own * tickNs, reapedNs: reaped * tickNs };
}

interface Member {
  pid: number;
  stat: CounterFile;
  status: CounterFile | null;
  parent: Member | null;
  ownNs: Nanoseconds;
  /** By the kernel, of children that were waited for: all of them, in steps of 10 ms. */
  reapedNs: Nanoseconds;
  /** By what was last read of children that have gone: to the ns, without those that nobody saw. */
  goneNs: Nanoseconds;
}

/**
 * So often /proc is read for who has ended and who has begun; in between clocks alone are read, for a tenth of the cost.
 * A clock that answers no more makes it due at once.
 */
const lookEveryNs = 100e6;

/**
 * A process with all that it started. The time of a child that ends stays counted: at what was last read of it, or at
 * what the kernel says of all children that its parent waited for, whichever is more. A child that lived between two
 * readings, unseen, is therefore counted to 20 ms, an error that does not add up.
 */
export class ProcessTree {
  readonly #root: string;
  readonly #ownNs: (pid: number) => Nanoseconds | null;
  /** Parents before their children, so that nobody is counted both as alive and as waited for. */
  readonly #members = new Map<number, Member>();
  readonly #first: Member;
  readonly #newestPid: CounterFile | null;
  #seen = new Set<number>();
  #newest = '';
  #lookedNs = Number.NEGATIVE_INFINITY;
  #orphansNs = 0;
  #mostNs = 0;
  #ended = false;

  /** Throws where there is no such process. `ownNs` is a clock better than the ticks of `root`, if there is one. */
  constructor(pid: number, root = '/proc', ownNs: (pid: number) => Nanoseconds | null = () => null) {
    this.#root = root;
    this.#ownNs = ownNs;
    this.#first = this.#admit(pid, null);
    this.#newestPid = tryCounterFile(`${root}/loadavg`);
  }

  /** Whether the first process has ended; what was read last is then all that it used. */
  get ended(): boolean {
    return this.#ended;
  }

  /** CPU time of all of them up to now, dead ones too. Never falls. */
  cpuNs(nowNs: Nanoseconds): Nanoseconds {
    if (nowNs - this.#lookedNs >= lookEveryNs) {
      this.#lookedNs = nowNs;
      this.#search();
      this.#look();
    } else if (!this.#readClocks()) {
      this.#look();
    }
    let sumNs = this.#orphansNs;
    for (const member of this.#members.values()) sumNs += totalNs(member);
    this.#mostNs = Math.max(this.#mostNs, sumNs);
    return this.#mostNs;
  }

  /** Resident memory of those alive; pages that several map are counted for each. NaN where it is not shown. */
  residentBytes(): Bytes {
    let sum = 0;
    for (const member of this.#members.values()) {
      member.status ??= tryCounterFile(`${this.#root}/${member.pid}/status`);
      try {
        const text = member.status?.text() ?? '';
        // A process that has ended and waits to be waited for has no memory, and no such line.
        if (/^State:\s+Z/m.test(text)) continue;
        sum += statusBytes(text, 'VmRSS');
      } catch (error) {
        log('a process of the server: %s', error);
        if (member === this.#first) return Number.NaN;
        // Another has just ended, and holds nothing any more.
      }
    }
    return sum;
  }

  close(): void {
    for (const member of this.#members.values()) closeFiles(member);
    this.#newestPid?.close();
  }

  #admit(pid: number, parent: Member | null): Member {
    const stat = openCounterFile(`${this.#root}/${pid}/stat`);
    try {
      const { ownNs, reapedNs } = parseStat(stat.text());
      const member = { pid, stat, status: null, parent, ownNs, reapedNs, goneNs: reapedNs };
      this.#members.set(pid, member);
      return member;
    } catch (error) {
      stat.close();
      throw error;
    }
  }

  /** Brings everyone up to date, and dismisses who has gone. */
  #look(): void {
    const gone = [...this.#members.values()].filter((member) => !this.#update(member));
    // Children first: what they leave to a parent that has gone as well goes on to its parent.
    for (const member of gone.reverse()) this.#dismiss(member);
  }

  /** False where one of them has no clock, or none any more. */
  #readClocks(): boolean {
    for (const member of this.#members.values()) {
      const ownNs = this.#ownNs(member.pid);
      if (ownNs === null) return false;
      member.ownNs = Math.max(member.ownNs, ownNs);
    }
    return true;
  }

  /** False where it has gone. The file that is open stays that of this process, even when its id is given anew. */
  #update(member: Member): boolean {
    let stat: ProcessStat;
    try {
      stat = parseStat(member.stat.text());
    } catch (error) {
      log('a process of the server: %s', error);
      this.#ended ||= member === this.#first;
      return false;
    }
    member.reapedNs = Math.max(member.reapedNs, stat.reapedNs);
    member.ownNs = Math.max(member.ownNs, this.#ownNs(member.pid) ?? stat.ownNs);
    // An orphan gets a new parent, which may be outside the tree; it stays a part of the server.
    if (member.parent?.pid !== stat.parent) member.parent = this.#members.get(stat.parent) ?? null;
    this.#ended ||= member === this.#first && (stat.state === 'Z' || stat.state === 'X');
    return true;
  }

  #dismiss(member: Member): void {
    closeFiles(member);
    this.#members.delete(member.pid);
    if (member.parent) member.parent.goneNs += totalNs(member);
    else this.#orphansNs += totalNs(member);
  }

  #search(): void {
    // The id of the process or thread that began last: where it is the same, none has begun since.
    const newest = this.#newestPid?.text().trim().split(' ').at(-1) ?? '';
    if (newest !== '' && newest === this.#newest) return;
    this.#newest = newest;
    const pids = readdirSync(this.#root)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const strangers = new Map<number, number>();
    for (const pid of pids) {
      if (this.#seen.has(pid) || this.#members.has(pid)) continue;
      const parent = this.#parentOf(pid);
      if (parent !== null) strangers.set(pid, parent);
    }
    this.#seen = new Set(pids);
    for (let found = true; found; ) {
      found = false;
      for (const [pid, parentPid] of strangers) {
        const parent = this.#members.get(parentPid);
        if (parent === undefined) continue;
        strangers.delete(pid);
        try {
          this.#admit(pid, parent);
          found = true;
        } catch (error) {
          log('a process of the server: %s', error);
          // It has ended since it was listed; its parent will have its time.
        }
      }
    }
  }

  #parentOf(pid: number): number | null {
    const file = tryCounterFile(`${this.#root}/${pid}/stat`);
    if (file === null) return null;
    try {
      return parseStat(file.text()).parent;
    } catch (error) {
      log('a process of the server: %s', error);
      return null; // It has ended since it was listed.
    } finally {
      file.close();
    }
  }
}

const totalNs = ({ ownNs, reapedNs, goneNs }: Member): Nanoseconds => ownNs + Math.max(reapedNs, goneNs);

function closeFiles({ stat, status }: Member): void {
  stat.close();
  status?.close();
}
