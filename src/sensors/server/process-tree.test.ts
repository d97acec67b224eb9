import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessTree, parseStat } from './process-tree.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tokenwork-tree-'));
});
afterEach(() => rmSync(root, { recursive: true }));

interface Figures {
  parent?: number;
  state?: string;
  /** Ticks of 10 ms: user, system, and of children that were waited for. */
  user?: number;
  system?: number;
  reaped?: number;
  kilobytes?: number;
}

/** Writes what the kernel shows of a process. */
function show(pid: number, figures: Figures): void {
  const { parent = 1, state = 'S', user = 0, system = 0, reaped = 0, kilobytes = 0 } = figures;
  mkdirSync(join(root, String(pid)), { recursive: true });
  const head = `${pid} (python (v) 3) ${state} ${parent} 7 7 0 -1 4194560 100 0 0 0`;
  writeFileSync(
    join(root, String(pid), 'stat'),
    `${head} ${user} ${system} ${reaped} 0 20 0 1 0 ${pid} 1 1 1\n`,
  );
  writeFileSync(join(root, String(pid), 'status'), `State:\t${state}\nVmRSS:\t   ${kilobytes} kB\n`);
}

/** The process has been waited for; its open file answers no more. */
function hide(pid: number): void {
  writeFileSync(join(root, String(pid), 'stat'), '');
  rmSync(join(root, String(pid)), { recursive: true });
}

const ms = 1e6;
let nowNs = 0;
const next = () => {
  nowNs += 200 * ms;
  return nowNs;
};

describe('parseStat', () => {
  it('finds its way past a name with brackets and spaces', () => {
    const text = '42 (a) b) (c) R 7 1 1 0 -1 0 1 2 3 4 500 60 7 8 20 0 9 0 100 5 6\n';
    expect(parseStat(text)).toEqual({ state: 'R', parent: 7, ownNs: 5600 * ms, reapedNs: 150 * ms });
  });

  it.each(['', 'nonsense', '42 (a) R'])('refuses %j', (text) => {
    expect(() => parseStat(text)).toThrow('no process');
  });
});

describe('the CPU time of a process tree', () => {
  it('is that of all descendants, and of no one else', () => {
    show(10, { user: 5, system: 1 });
    show(11, { parent: 10, user: 20 });
    show(12, { parent: 11, user: 300 });
    show(13, { parent: 1, user: 9000 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(3260 * ms);
    tree.close();
  });

  it('finds a child before its parent has a smaller id, as after ids have wrapped around', () => {
    show(10, { user: 1 });
    show(12, { parent: 99, user: 2 });
    show(99, { parent: 10, user: 4 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(70 * ms);
    tree.close();
  });

  it('keeps the time of a child that ends, and counts it once', () => {
    show(10, {});
    show(11, { parent: 10, user: 50 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(500 * ms);
    hide(11);
    // Gone, and its parent not yet brought up to date.
    expect(tree.cpuNs(next())).toBe(500 * ms);
    show(10, { reaped: 52 });
    expect(tree.cpuNs(next())).toBe(520 * ms);
    tree.close();
  });

  it('keeps the time of a child that nobody waits for', () => {
    show(10, {});
    show(11, { parent: 10, user: 50 });
    const tree = new ProcessTree(10, root);
    tree.cpuNs(next());
    hide(11);
    tree.cpuNs(next());
    show(10, { user: 1 });
    expect(tree.cpuNs(next())).toBe(510 * ms);
    tree.close();
  });

  it('counts a child that lived between two readings', () => {
    show(10, { reaped: 7 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(70 * ms);
    show(10, { reaped: 19 });
    expect(tree.cpuNs(next())).toBe(190 * ms);
    tree.close();
  });

  it('hands the time of a whole branch that ends up to its parent', () => {
    show(10, {});
    show(11, { parent: 10, user: 5, reaped: 3 });
    show(12, { parent: 11, user: 7 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(150 * ms);
    hide(12);
    hide(11);
    expect(tree.cpuNs(next())).toBe(150 * ms);
    // Waited for: 5 + 3 of the child itself, 7 of the grandchild.
    show(10, { reaped: 15 });
    expect(tree.cpuNs(next())).toBe(150 * ms);
    tree.close();
  });

  it('goes on with an orphan, which has another parent outside', () => {
    show(10, {});
    show(11, { parent: 10, user: 5 });
    show(12, { parent: 11, user: 7 });
    const tree = new ProcessTree(10, root);
    tree.cpuNs(next());
    hide(11);
    show(12, { parent: 1, user: 9 });
    show(10, { reaped: 5 });
    expect(tree.cpuNs(next())).toBe(140 * ms);
    hide(12);
    expect(tree.cpuNs(next())).toBe(140 * ms);
    tree.close();
  });

  it('finds processes that begin later, when any has begun', () => {
    const begun = (pid: number) => writeFileSync(join(root, 'loadavg'), `0.00 0.01 0.05 1/234 ${pid}\n`);
    begun(10);
    show(10, { user: 1 });
    const tree = new ProcessTree(10, root);
    expect(tree.cpuNs(next())).toBe(10 * ms);
    show(11, { parent: 10, user: 2 });
    expect(tree.cpuNs(next())).toBe(10 * ms);
    begun(11);
    expect(tree.cpuNs(next())).toBe(30 * ms);
    tree.close();
  });

  it('takes the clock where it is better than ticks', () => {
    show(10, { user: 1 });
    show(11, { parent: 10, user: 2 });
    const tree = new ProcessTree(10, root, (pid) => (pid === 10 ? 12_345_678 : null));
    expect(tree.cpuNs(next())).toBe(32_345_678);
    tree.close();
  });
});

describe('between two looks at /proc', () => {
  it('reads clocks alone, and looks at once where one has stopped', () => {
    show(10, {});
    show(11, { parent: 10 });
    const clocks = new Map([
      [10, 1 * ms],
      [11, 20 * ms],
    ]);
    const tree = new ProcessTree(10, root, (pid) => clocks.get(pid) ?? null);
    expect(tree.cpuNs(next())).toBe(21 * ms);
    clocks.set(10, 2 * ms);
    show(10, { reaped: 90 });
    expect(tree.cpuNs(nowNs + 10 * ms)).toBe(22 * ms);
    clocks.delete(11);
    hide(11);
    expect(tree.cpuNs(nowNs + 20 * ms)).toBe(902 * ms);
    tree.close();
  });
});

describe('the resident memory of a process tree', () => {
  it('is the sum over those alive', () => {
    show(10, { kilobytes: 100 });
    show(11, { parent: 10, kilobytes: 50 });
    show(12, { parent: 10, kilobytes: 7, state: 'Z' });
    const tree = new ProcessTree(10, root);
    tree.cpuNs(next());
    expect(tree.residentBytes()).toBe(150 * 1024);
    tree.close();
  });
});

describe('the end of a process tree', () => {
  it('is that of its first process, waited for or not', () => {
    show(10, { user: 4 });
    const tree = new ProcessTree(10, root);
    tree.cpuNs(next());
    expect(tree.ended).toBe(false);
    show(10, { user: 6, state: 'Z' });
    expect(tree.cpuNs(next())).toBe(60 * ms);
    expect(tree.ended).toBe(true);
    tree.close();
  });
});
