import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.js';
import { type Batch, type BatchReply, COMMIT_LIMITS, type CommitLimits, GroupCommit } from './group-commit.js';

interface Entry {
  readonly kind: 'job' | 'append';
  readonly name: string;
}

interface Sent {
  readonly names: readonly string[];
  readonly batch: Batch<Entry>;
  reply(reply?: BatchReply<string>): void;
  lose(): void;
}

const FULL: BatchReply<string> = { ok: false, error: { message: 'disk is full' } };

const entry = (name: string): Entry => ({ kind: 'job', name });
const result = (name: string): string => `result of ${name}`;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const submitAll = (commits: GroupCommit<Entry, string>, names: string): Promise<string[]> =>
  Promise.all(Array.from(names, (name) => commits.submit(entry(name), 1, 10).then(() => name, String)));

describe('GroupCommit', () => {
  let sent: Sent[];
  let outcomes: (string | null)[];

  beforeEach(() => {
    sent = [];
    outcomes = [];
  });

  const create = (limits: Partial<CommitLimits> = {}) =>
    new GroupCommit<Entry, string>(
      { ...COMMIT_LIMITS, ...limits },
      (batch) =>
        new Promise((resolve, reject) => {
          const names = batch.entries.map(({ name }) => name);
          const success: BatchReply<string> = { ok: true, results: names.map(result) };
          sent.push({
            names,
            batch,
            reply: (reply = success) => resolve(reply),
            lose: () => reject(new Error('the writer ended')),
          });
        }),
      (problem) => outcomes.push(problem),
      ({ kind }) => kind === 'job',
    );
  const batches = () => sent.map(({ names }) => names.join(''));

  it('sends what came in one turn in one batch, and at most two batches at a time', async () => {
    const commits = create();
    void submitAll(commits, 'ab');
    await settle();
    void submitAll(commits, 'c');
    await settle();
    void submitAll(commits, 'd');
    void submitAll(commits, 'ef');
    await settle();
    expect(batches()).toEqual(['ab', 'c']);
    sent[0]!.reply();
    await settle();
    expect(batches()).toEqual(['ab', 'c', 'def']);
    sent[1]!.reply();
    sent[2]!.reply();
    await commits.drain();
    expect(outcomes).toEqual([null, null, null]);
  });

  it('gives each entry its own result', async () => {
    const commits = create();
    const results = Array.from('abc', (name) => commits.submit(entry(name), 1, 1));
    await settle();
    sent[0]!.reply();
    expect(await Promise.all(results)).toEqual(Array.from('abc', result));
  });

  it('resolves nothing before the reply', async () => {
    const commits = create();
    let resolved = false;
    const promise = submitAll(commits, 'a');
    void promise.then(() => (resolved = true));
    await settle();
    await settle();
    expect(resolved).toBe(false);
    sent[0]!.reply();
    await promise;
    expect(resolved).toBe(true);
  });

  it('cuts batches by rows and by size, but sends a larger entry alone', async () => {
    const commits = create({ mostBatchRows: 3, mostBatchSize: 100 });
    void commits.submit(entry('a'), 1, 10);
    await settle();
    void commits.submit(entry('b'), 1, 10);
    await settle();
    for (const [name, rows, size] of [
      ['c', 2, 10],
      ['d', 1, 10],
      ['e', 1, 95],
      ['f', 1, 10],
      ['g', 9, 10],
    ] as const) {
      void commits.submit(entry(name), rows, size);
    }
    for (let i = 0; i < 6; i++) {
      sent[i]?.reply();
      await settle();
    }
    expect(batches()).toEqual(['a', 'b', 'cd', 'e', 'f', 'g']);
    expect(commits.idle).toBe(true);
  });

  it('rejects every entry of a batch that did not commit, with its code, and goes on', async () => {
    const commits = create();
    const first = [commits.submit(entry('a'), 1, 1), commits.submit(entry('b'), 1, 1)];
    await settle();
    sent[0]!.reply(FULL);
    for (const { status, ...rest } of await Promise.allSettled(first)) {
      expect(status).toBe('rejected');
      expect(rest).toMatchObject({
        reason: { code: 'STORAGE_UNAVAILABLE', options: { retryAfter: expect.any(Number) } },
      });
    }
    const lost = commits.submit(entry('c'), 1, 1);
    await settle();
    sent[1]!.lose();
    await expect(lost).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const fine = commits.submit(entry('d'), 1, 1);
    await settle();
    sent[2]!.reply();
    expect(await fine).toEqual(result('d'));
    expect(outcomes).toEqual(['disk is full', 'the writer ended', null]);
  });

  it('rejects by the deadline what is waiting and what is on its way, and never sends it later', async () => {
    const commits = create({ deadlineMs: 60 });
    const early = [submitAll(commits, 'a')];
    await settle();
    early.push(submitAll(commits, 'b'));
    await settle();
    early.push(submitAll(commits, 'c'));
    for (const [message] of await Promise.all(early)) expect(message).toMatch(/did not commit within 60 ms/);
    expect(outcomes.at(-1)).toMatch(/within 60 ms/);
    const late = submitAll(commits, 'd');
    sent[0]!.reply();
    sent[1]!.reply();
    await settle();
    expect(batches()).toEqual(['a', 'b', 'd']);
    sent[2]!.reply();
    expect(await late).toEqual(['d']);
    expect(outcomes.at(-1)).toBeNull();
    expect(commits.idle).toBe(true);
  });

  it('sends the prompt entries first, and with each batch a bounded part of the bulk', async () => {
    const commits = create({ mostBatchRows: 3, mostBulkRows: 2 });
    void submitAll(commits, 'a');
    await settle();
    void submitAll(commits, 'b');
    await settle();
    for (const name of 'BCD') void commits.submit(entry(name), 1, 10, 'bulk');
    void commits.submit(entry('E'), 9, 10, 'bulk');
    void submitAll(commits, 'cdef');
    for (let i = 0; i < 5; i++) {
      sent[i]?.reply();
      await settle();
    }
    expect(batches()).toEqual(['a', 'b', 'cdeBC', 'fD', 'E']);
    expect(commits.idle).toBe(true);
  });

  it('never refuses an append, however many wait', async () => {
    const commits = create({ mostPendingRows: 1, mostPendingSize: 1 });
    const append: Entry = { kind: 'append', name: 'a' };
    let refused = 0;
    for (let i = 0; i < 100; i++) void commits.submit(append, 100, 100).catch(() => refused++);
    await settle();
    expect(refused).toBe(0);
    commits.abandon();
  });

  it('says that a batch is on its way for too long, before its deadline', async () => {
    const commits = create({ downAfterMs: 20, deadlineMs: 5_000 });
    const waiting = submitAll(commits, 'a');
    await eventually('it is heard of', () => outcomes.length > 0);
    expect(outcomes[0]).toMatch(/longer than 20 ms/);
    sent[0]!.reply();
    expect(await waiting).toEqual(['a']);
    expect(outcomes.at(-1)).toBeNull();
  });

  it('rejects all that is not committed when it is abandoned', async () => {
    const commits = create();
    const all = [submitAll(commits, 'a')];
    await settle();
    all.push(submitAll(commits, 'b'));
    await settle();
    all.push(submitAll(commits, 'cd'));
    await settle();
    commits.abandon();
    for (const messages of await Promise.all(all)) for (const message of messages) expect(message).toMatch(/closed/);
    expect(batches()).toEqual(['a', 'b']);
  });

  it('refuses at once the jobs that go beyond the bounds on rows or size, until there is room', async () => {
    const commits = create({ mostPendingRows: 10, mostPendingSize: 100 });
    const first = commits.submit(entry('a'), 6, 50);
    await expect(commits.submit(entry('b'), 5, 1)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await expect(commits.submit(entry('c'), 1, 51)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await settle();
    sent[0]!.reply();
    await first;
    const larger = commits.submit(entry('d'), 11, 101);
    await settle();
    sent[1]!.reply();
    expect(await larger).toEqual(result('d'));
  });

  it('drains once all that was accepted is settled', async () => {
    const commits = create();
    await commits.drain();
    void submitAll(commits, 'a');
    let drained = false;
    const draining = commits.drain().then(() => (drained = true));
    await settle();
    expect(drained).toBe(false);
    sent[0]!.reply(FULL);
    await draining;
  });
});
