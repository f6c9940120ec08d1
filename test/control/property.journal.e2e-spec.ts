import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newId } from '../../src/common/ids.js';
import { type Command, COMMAND_DEFAULTS, newCommand } from '../../src/control/command.js';
import { CommandJournal, type Entry } from '../../src/control/command.journal.js';
import { COMMAND_RANK, type CommandEvent } from '../../src/control/command.machine.js';
import { CommandRepository } from '../../src/control/command.repository.js';
import { DeviceService } from '../../src/device/device.service.js';
import { Rig } from './support/rig.js';

let rig: Rig;
let commands: CommandRepository;
beforeAll(async () => {
  rig = await Rig.start();
  commands = rig.signalbox.app.get(CommandRepository);
});
afterAll(() => rig.close());

/** A command that no dispatcher looks at within the test. */
async function stored(maxAttempts = 3): Promise<Command> {
  const deviceId = newId();
  const request = { ...COMMAND_DEFAULTS, deviceId, type: 'X', maxAttempts, ttlMs: 3_600_000 };
  const command = newCommand(request, newId(), 'native', Date.now(), 'anyone');
  const device = rig.signalbox.app.get(DeviceService).registration(deviceId, 'native', command.createdAt);
  expect(await commands.create(command, device, null)).not.toBeNull();
  return (await commands.find(command.id))!;
}

const EVENTS = [
  'attempt',
  'sent',
  'delivered',
  'cancel',
  'supersede',
  'accepted',
  'progress',
  'succeeded',
  'failed',
] as const;

function eventOf(kind: (typeof EVENTS)[number], n: number): CommandEvent {
  const at = Date.now();
  switch (kind) {
    case 'attempt':
    case 'cancel':
    case 'supersede':
      return { kind, at };
    case 'sent':
    case 'delivered':
      return { kind, at, attempt: 1 };
    default:
      return { kind: 'answer', at, answer: { status: kind, result: n } };
  }
}

const arbitraryCall = fc.record({
  event: fc.constantFrom(...EVENTS),
  replica: fc.constantFrom(0, 1),
  how: fc.constantFrom('enter' as const, 'note' as const, 'enter with what was known at first' as const),
  /** What comes next is handed in in the same turn. */
  together: fc.boolean(),
});

describe('Two journals over one database', () => {
  it('lose nothing, enter nothing twice, and agree in the end, whatever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryCall, { minLength: 1, maxLength: 25 }), async (calls) => {
        const journals = [new CommandJournal(commands), new CommandJournal(commands)];
        const first = await stored();
        const changes: { readonly after: Command; readonly before: Command }[] = [];
        for (const journal of journals) journal.onChange((after, before) => changes.push({ after, before }));
        const entries: Promise<Entry | null>[] = [];
        for (const [n, { event, replica, how, together }] of calls.entries()) {
          const journal = journals[replica]!;
          const observe = () => eventOf(event, n);
          if (how === 'note') entries.push(journal.note(first.id, observe));
          else entries.push(journal.enter(first.id, observe, how === 'enter' ? null : first));
          if (!together) await new Promise(setImmediate);
        }
        const results = (await Promise.all(entries)).map((entry) => entry!);
        const last = (await commands.find(first.id))!;

        // Every commit made one version of the one before it.
        const steps = changes.toSorted((a, b) => a.after.version - b.after.version);
        expect(steps.map(({ after }) => after.version)).toEqual(steps.map((_, i) => first.version + i + 1));
        expect(last.version).toBe(first.version + steps.length);
        for (const [i, { before }] of steps.entries()) expect(before).toEqual(steps[i - 1]?.after ?? first);
        if (steps.length > 0) expect(last).toEqual(steps.at(-1)!.after);

        // What was called a change is there, and nothing else is.
        const changed = (kind: string) =>
          results.filter((entry, n) => entry.changed && calls[n]!.event === kind).length;
        expect(changed('attempt')).toBe(last.attempts);
        expect(changed('cancel')).toBeLessThanOrEqual(1);
        expect(changed('supersede') > 0).toBe(last.superseded);
        const ranks = last.history.map(({ status }) => COMMAND_RANK[status]);
        expect(ranks).toEqual([...new Set(ranks)].toSorted((a, b) => a - b));
        const finals = results.filter((entry, n) => entry.changed && ['succeeded', 'failed'].includes(calls[n]!.event));
        expect(finals.length).toBe([last.result, last.lateResult].filter((one) => one !== null).length);
        for (const { command } of results) expect(command.version).toBeLessThanOrEqual(last.version);
      }),
      { numRuns: 60, interruptAfterTimeLimit: 20_000 },
    );
  });

  it('tell of no command where there is none, also after one that they remember was removed', async () => {
    const journal = new CommandJournal(commands);
    expect(await journal.enter(newId(), () => ({ kind: 'cancel', at: 1 }))).toBeNull();
    const { id } = await stored();
    expect((await journal.enter(id, () => ({ kind: 'attempt', at: Date.now() })))!.changed).toBe(true);
    await rig.signalbox.database.write([
      rig.signalbox.database.sql.deleteFrom('commands').where('id', '=', id).compile(),
    ]);
    expect(await journal.enter(id, () => ({ kind: 'cancel', at: Date.now() }))).toBeNull();
    expect(await journal.enter(id, () => null)).toBeNull();
  });

  it('judge what changes nothing on what another replica has stored, not on what they remember', async () => {
    const [a, b] = [new CommandJournal(commands), new CommandJournal(commands)];
    const { id } = await stored();
    expect((await a.enter(id, () => null))!.command.attempts).toBe(0);
    await b.enter(id, () => ({ kind: 'attempt', at: Date.now() }));
    // It was not sent as far as `a` remembers, so that an answer could not be one.
    const answer = await a.enter(id, ({ attempts }) => (attempts > 0 ? eventOf('succeeded', 1) : null));
    expect(answer).toMatchObject({ changed: true, command: { status: 'SUCCEEDED' } });
  });

  it('go on after an observation that throws, and hand its error to who made it', async () => {
    const journal = new CommandJournal(commands);
    const { id } = await stored();
    const error = new Error('no');
    await expect(
      journal.enter(id, () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect((await journal.enter(id, () => ({ kind: 'cancel', at: Date.now() })))!.command.status).toBe('CANCELLED');
  });
});
